"""What a night makes of an extract, as hashes: `python -m tests.lib.fingerprints EXTRACT STORE AS_OF` prints them."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import date
from pathlib import Path

from cis_ews import RulesModel, TierPolicy, build_features, score_night


def fingerprints(extract: Path, store: Path, as_of: date) -> dict[str, str]:
    """SHA-256 of the indicators, the features and the bytes of the scores and reasons of a night by the rules."""
    night = score_night(extract, model=RulesModel(), policy=TierPolicy.load(), store=store, as_of=as_of)
    files = {name: (night.run.path / f"{name}.parquet").read_bytes() for name in ("scores", "reasons", "indicators")}
    features = build_features(night.run.table("indicators"))
    return {
        "students": str(features.height),
        "features": _sha256(features.write_csv().encode()),
        **{name: _sha256(content) for name, content in files.items()},
    }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    found = fingerprints(Path(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3]))
    sys.stdout.write(json.dumps(found))
