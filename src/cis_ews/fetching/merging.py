"""Lines of records, sorted by id and merged, in memory that does not grow with their number.

A line begins with its id. A file that was made here is sorted by id and has each once, so the same records are the same
bytes, in whatever order, in however many pieces and over however many fetches they came.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

from cis_ews.storage.files import sync

LINES_IN_MEMORY = 50_000
BEGINS = b'{"id":"'
_KEPT, _REMOVED, _RENAMED, _CHANGED = range(4)
_Entry = tuple[bytes, int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What became of a merge: records in the file and its hash; of these new or changed; removed; lines of an id that
    had come before; and ids that were renamed, but came neither changed nor removed."""

    records: int
    sha256: str
    changed: int
    removed: int
    duplicates: int
    renamed_alone: int


def id_of(line: bytes) -> bytes:
    """The id with which a line begins."""
    return line[len(BEGINS) : line.index(b'"', len(BEGINS))]


def sorted_runs(files: Sequence[Path], folder: Path) -> list[Path]:
    """The lines of these files as sorted files in `folder`; lines of one id keep their order."""
    folder.mkdir(exist_ok=True)
    lines, runs = _lines(files), list[Path]()
    while some := list(islice(lines, LINES_IN_MEMORY)):
        some.sort(key=id_of)
        run = folder / f"{len(runs):04d}.run"
        run.write_bytes(b"".join(some))
        runs.append(run)
    return runs


def merge(
    out: Path,
    *,
    kept: Path | None = None,
    changed: Sequence[Path],
    removed: Sequence[Path] = (),
    renamed: Sequence[Path] = (),
) -> Merged:
    """Write the records of `kept` as they are after the changes. The last line of an id is the one that counts.

    All are sorted; of `removed` and `renamed` the ids alone count. Who is changed and removed at once is there.
    """
    streams = [
        *(_tagged(path, _KEPT) for path in ([kept] if kept else [])),
        *(_tagged(path, _REMOVED) for path in removed),
        *(_tagged(path, _RENAMED) for path in renamed),
        *(_tagged(path, _CHANGED) for path in changed),
    ]
    counts: dict[str, int] = dict.fromkeys(("records", "changed", "removed", "duplicates", "renamed_alone"), 0)
    digest = hashlib.sha256()
    with out.open("wb") as file:
        for _, group in groupby(heapq.merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
            line = _outcome(list(group), counts)
            if line is not None:
                digest.update(line)
                file.write(line)
    sync(out)
    return Merged(sha256=digest.hexdigest(), **counts)


def _outcome(group: list[_Entry], counts: dict[str, int]) -> bytes | None:
    """The line that stays of all that was said of an id."""
    tags = [tag for _, tag, _ in group]
    times = tags.count(_CHANGED)
    counts["changed"] += bool(times)
    counts["duplicates"] += max(times - 1, 0)
    was_there = tags[0] == _KEPT
    if not times and _REMOVED in tags:
        counts["removed"] += was_there
        return None
    if not times:
        counts["renamed_alone"] += _RENAMED in tags
        if not was_there:
            return None
    counts["records"] += 1
    return group[-1][2] if times else group[0][2]


def _lines(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        if path.exists():
            with path.open("rb") as file:
                yield from file


def _tagged(path: Path, tag: int) -> Iterator[_Entry]:
    return ((id_of(line), tag, line) for line in _lines([path]))
