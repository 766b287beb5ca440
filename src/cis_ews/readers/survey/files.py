"""The files of a source as tables: those of the same headings are one in parts, unless they tell the same twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.progress import Progress
from cis_ews.readers.base import TEXT_SUFFIXES
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import SPREADSHEETS, Entry, open_entry
from cis_ews.readers.survey.profile import Profile, profile_of
from cis_ews.readers.survey.sample import Sample, sample_of

MOST_FILES = 200
SPREADSHEET = "a spreadsheet, whatever its name says: save each of its tables as CSV"
MAGIC = (b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1"))  # of today's spreadsheets, and of those of before 2007
AS_BEFORE = 0.2
"""Two files of the same headings that share so many rows, or so many values of a column without repeats, are rivals."""


@dataclass(frozen=True)
class SourceTable:
    """Files of the same headings, and what their values are like."""

    files: tuple[str, ...]
    headings: tuple[str, ...]
    profiles: tuple[Profile, ...]
    cells: pl.DataFrame
    is_whole: bool
    delimiter: str | None
    dropped: int = 0

    @property
    def name(self) -> str:
        """The first of its files."""
        return self.files[0]

    @property
    def rows(self) -> int:
        """Rows in the sample."""
        return self.cells.height

    @property
    def twice(self) -> frozenset[str]:
        """Headings that several of its columns have: a mapping could not say which of them it means."""
        return frozenset(each for each in self.headings if each and self.headings.count(each) > 1)

    @property
    def dates(self) -> Mapping[str, Profile]:
        """Its columns of dates by heading."""
        return {each.heading: each for each in self.profiles if each.dates}

    def uniqueness(self, places: Sequence[int]) -> float:
        """The share of rows whose cells in these columns are there once."""
        if not places or not self.rows:
            return 1.0
        columns = [str(place) for place in places]
        return self.cells.select(columns).unique().height / self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a source holds: tables; and how many files were passed over, by why."""

    tables: tuple[SourceTable, ...]
    passed: Mapping[str, int] = field(default_factory=dict[str, int])


def look(entries: Sequence[Entry], limits: ReadLimits, progress: Progress) -> Looked:
    """Sample the files of a source."""
    named = [entry for entry in entries if _can_be_written(entry.name)]
    texts = [entry for entry in named if entry.name.lower().endswith(TEXT_SUFFIXES)]
    passed = _others(named, texts)
    if len(named) < len(entries):
        passed["a name that is no text: rename it"] = len(entries) - len(named)
    samples = list[Sample]()
    with progress.step("look", total=len(texts[:MOST_FILES])):
        for entry in texts[:MOST_FILES]:
            why = _sampled(entry, limits, samples)
            if why:
                passed[why] = passed.get(why, 0) + 1
            progress.advance()
    if texts[MOST_FILES:]:
        passed[f"beyond the first {MOST_FILES} files of text"] = len(texts) - MOST_FILES
    return Looked(tables=tuple(_grouped(samples)), passed=passed)


def _can_be_written(name: str) -> bool:
    """Whether a mapping can hold a file's name: on some disks names are bytes that are no text."""
    return name.isprintable() and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _others(entries: Sequence[Entry], texts: Sequence[Entry]) -> dict[str, int]:
    others = [entry for entry in entries if entry not in texts]
    kinds = {
        ".parquet": "Parquet",
        ".zip": "an archive inside the source: unpack it",
        **dict.fromkeys(SPREADSHEETS, SPREADSHEET),
    }
    passed = dict[str, int]()
    for entry in others:
        why = kinds.get(PurePosixPath(entry.name).suffix.lower(), "neither CSV nor other delimited text")
        passed[why] = passed.get(why, 0) + 1
    return passed


def _sampled(entry: Entry, limits: ReadLimits, samples: list[Sample]) -> str | None:
    """Why a file is passed over; None where it was sampled."""
    try:
        with open_entry(entry, limits) as opened:
            if opened.content.read(len(MAGIC[-1])).startswith(MAGIC):
                return SPREADSHEET
        sample = sample_of(entry, limits)
    except ReadError:
        return "empty, damaged or no text"
    if not sample.has_headings:
        return "a first line in which no headings are known"
    samples.append(sample)
    return None


def _grouped(samples: Sequence[Sample]) -> list[SourceTable]:
    groups: list[list[Sample]] = []
    for sample in samples:
        kin = next((group for group in groups if _continues(group, sample)), None)
        if kin is None:
            groups.append([sample])
        else:
            kin.append(sample)
    return [_table(group) for group in groups]


def _continues(group: Sequence[Sample], sample: Sample) -> bool:
    first = group[0]
    if (first.headings, first.delimiter) != (sample.headings, sample.delimiter):
        return False
    return not any(_tells_the_same(each, sample) for each in group)


def _tells_the_same(one: Sample, other: Sample) -> bool:
    if one.cells.is_empty() or other.cells.is_empty():
        return False
    rows, again = one.cells.unique(), other.cells.unique()
    if rows.join(again, on=rows.columns, how="semi", nulls_equal=True).height >= AS_BEFORE * min(
        rows.height, again.height
    ):
        return True
    key = next((name for name in rows.columns if _is_key(one.cells[name]) and _is_key(other.cells[name])), None)
    if key is None:
        return False
    again_there = int(one.cells[key].is_in(other.cells[key].implode()).sum())
    return again_there >= AS_BEFORE * min(one.cells.height, other.cells.height)


def _is_key(cells: pl.Series) -> bool:
    return cells.null_count() == 0 and cells.n_unique() == len(cells)


def _table(group: Sequence[Sample]) -> SourceTable:
    first = group[0]
    cells = pl.concat([each.cells for each in group])
    return SourceTable(
        files=tuple(each.name for each in group),
        headings=first.headings,
        profiles=tuple(profile_of(heading, at, cells[str(at)]) for at, heading in enumerate(first.headings)),
        cells=cells,
        is_whole=all(each.is_whole for each in group),
        delimiter=first.delimiter,
        dropped=sum(each.dropped for each in group),
    )
