"""What a compacted run says of itself: the big tables that are not there, since the night can be made again.

<run>/compacted.json     the files that are away; outside of the hashes, which stay those of the whole run
"""

from __future__ import annotations

import json
from pathlib import Path

from cis_ews.storage.files import disk_errors, json_bytes, replace_durably

COMPACTED = "compacted.json"
COMPACTABLE = ("contributions.parquet", "indicators.parquet", "reasons.parquet", "rules.parquet")
"""Files of many rows a student, or many columns. Scores, changes and what was left out stay in every run."""


def files_away(folder: Path) -> frozenset[str]:
    """The files of a run that compaction took away; none of a run that is whole. Raises ValueError if damaged."""
    with disk_errors(folder, "read"):
        if not (folder / COMPACTED).exists():
            return frozenset()
        content = (folder / COMPACTED).read_bytes()
    try:
        away = [str(name) for name in json.loads(content)["away"]]
    except (KeyError, TypeError):
        raise ValueError from None
    if not set(away) <= set(COMPACTABLE):
        raise ValueError
    return frozenset(away)


def mark_compacted(folder: Path, away: frozenset[str]) -> None:
    """Say in a run's folder which files are away, in one step."""
    replace_durably(folder / COMPACTED, json_bytes({"format": 1, "away": sorted(away)}))
