"""The benchmark of fetching measures a fetch that is whole, and a folder that is read to the last event."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fetch import fetch, fetch_barely, read_fetched, served, students_of


def test_both_ways_fetch_all_of_it(tmp_path: Path) -> None:
    with served(1_200) as url:
        records = 1_200 + students_of(1_200)
        assert fetch_barely(url, tmp_path / "bare") == records
        assert fetch(url, tmp_path / "records") == records + 2  # and a school and its session
        assert read_fetched(url, tmp_path / "records") == 1_200
