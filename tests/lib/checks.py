"""A check as a test calls it: read, judged against a summary, and nothing shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import polars as pl

from cis_ews.checking.counting import codes_by_column
from cis_ews.checking.kept import Beside
from cis_ews.checking.reading import check_source
from cis_ews.checking.result import NOT_ASKED, CheckResult, judged
from cis_ews.checking.summary import Summary, summary_of
from cis_ews.night.engine import InProcess
from cis_ews.night.extract import Crew
from cis_ews.progress import Stopwatch

Frames = Mapping[str, pl.DataFrame]
Change = Callable[[pl.DataFrame], pl.DataFrame]


def check(
    source: Path,
    *,
    format: str = "folder",  # noqa: A002 - the public word for it
    as_of: date | None = None,
    then: Summary | None = None,
    students_a_part: int = 40_000,
) -> tuple[CheckResult, Summary]:
    """Check a source beside an earlier one."""
    crew = Crew(InProcess(), students_a_part=students_a_part, watch=Stopwatch())
    checked = check_source(source, format=format, tolerance=None, as_of=as_of, crew=crew)
    codes = codes_by_column(checked.counts.codes)
    summary = summary_of(checked, codes, layout=format)
    beside = NOT_ASKED if then is None else Beside(summary=then, what="the extract before")
    return judged(checked, summary, codes, path=source, as_of=as_of, beside=beside), summary


def changed(tables: Frames, **changes: Change | None) -> dict[str, pl.DataFrame]:
    """The tables with some of them changed, or, where None is given, left out."""
    given = {name: table for name, table in tables.items() if changes.get(name, 0) is not None}
    return {name: change(table) if (change := changes.get(name)) else table for name, table in given.items()}


def found(result: CheckResult) -> list[str]:
    """The codes of the findings, each once."""
    return list(dict.fromkeys(each.kind.code for each in result.findings))
