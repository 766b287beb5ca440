"""What Ed-Fi XML takes of the memory: as much as the rows that are kept, and less than the text that they lie in."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.readers import write_events
from cis_ews.readers.edfi_stream import Package, read_xml
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import list_entries

FEW, MANY = 30_000, 120_000
A_ROW = 350
"""Bytes a kept row may take beyond what reading takes anyhow: half of a record's text, twice what it takes now."""


def _read(folder: Path) -> tuple[int, int]:
    """Rows that are kept of the files, and the most memory of a process that read them, in bytes."""
    package = Package()
    for entry in list_entries(folder, ReadLimits()):
        read_xml(entry, package=package, limits=ReadLimits())
    rows = sum(frame.height for frames in package.frames.values() for frame in frames)
    # Of this process alone; what `getrusage` tells begins with that of the process that made it.
    (most,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return rows, int(most) * 1024


def test_memory_grows_with_the_rows_that_are_kept_and_by_no_more_than_a_bound_each(tmp_path: Path) -> None:
    found: list[tuple[int, int]] = []
    for events in (FEW, MANY):
        write_events(tmp_path / str(events), events=events)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            found.append(apart.submit(_read, tmp_path / str(events)).result())
    (few, least), (many, most) = found
    assert many - few > MANY - FEW
    text = (tmp_path / str(MANY) / "StudentAttendance.xml").stat().st_size / MANY
    assert text > A_ROW
    assert (most - least) / (many - few) < A_ROW
