"""The verb `check`: is an extract fit for a night, and what is unlike the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Format, Json, OptionalAsOf, Source, Store
from cis_ews.cli.session import Session, begin
from cis_ews.cli.show_check import show_check, show_refused
from cis_ews.errors import ConfigError, DataError, ToleranceError
from cis_ews.wording import counted

if TYPE_CHECKING:
    import polars as pl

    from cis_ews.checking.kept import Beside
    from cis_ews.checking.reading import CheckedSource
    from cis_ews.checking.result import CheckResult
    from cis_ews.checking.summary import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What stands on the command line beside the source."""

    layout: str
    as_of: date | None
    against: Path | None
    store: Path | None
    accept: bool
    rejections: Path | None
    html: Path | None


def check(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Source,
    *,
    source_format: Format = None,
    as_of: OptionalAsOf = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="PATH",
            help="Hold it against this: a kept summary, a run, or a store. Default: the last one kept in the store.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a page: one file, to send or to print."),
    ] = None,
    rejections: Annotated[
        Path | None,
        typer.Option(
            "--rejections",
            metavar="FILE",
            help="Also write every rejection (table, file, row, rule, column) as CSV.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 where a finding is an error.")] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Hold the next extract against this one, however unlike it is.")
    ] = False,
    state: Annotated[
        bool, typer.Option("--state", help="Compare the kept state of a store with SOURCE, a whole extract.")
    ] = False,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Say whether an extract can be used, and what is unlike the one before.

    Findings first, the worst on top, each with where it is and what to do:
    rows rejected by rule, schools behind their calendar; a table that halved,
    a school that vanished, a code that is new. Then rows by table and school,
    and what the source can speak of. Nothing is scored. In a store a summary
    is kept (counts and codes, nothing of a student) to hold the next extract
    against. Without --as-of, freshness is measured on the last day that any
    school reported. docs/checking.md has every finding.

    Examples:

        cis-ews check extract --store night

        cis-ews check sis.zip --format oneroster --html check.html --strict

        cis-ews check extract --state --store night
    """
    session = begin(context, as_json=as_json)
    if state:
        _refuse_beside_state(
            {
                "--format": source_format,
                "--as-of": as_of,
                "--against": against,
                "--html": html,
                "--rejections": rejections,
                "--strict": strict,
                "--accept": accept,
            }
        )
        _check_state(session, source, store)
        return
    asked = Asked(
        layout=session.format(source_format),
        as_of=as_of,
        against=against,
        store=_store(session, store, accept=accept),
        accept=accept,
        rejections=rejections,
        html=html,
    )
    result = _check(session, source, asked)
    if strict and (errors := result.refuses(accept=accept)):
        raise DataError(
            f"{counted(errors, 'finding')} of severity error (--strict)",
            hint="see to each; where the extract is right and only unlike the one before, check it with --accept",
        )


def _refuse_beside_state(options: Mapping[str, object]) -> None:
    """Raise ConfigError where an option is given that --state does nothing with."""
    if given := [option for option, value in options.items() if value]:
        raise ConfigError(f"--state compares and does nothing else: {', '.join(given)} was given", hint="leave it out")


def _store(session: Session, named: Path | None, *, accept: bool) -> Path | None:
    """Where summaries are kept: a store that is there, or one that was named."""
    root = session.store(named).root
    if named is not None or root.is_dir():
        return root
    if accept:
        raise ConfigError(f"There is no store at {root} to keep it in", hint="name one with --store")
    return None


def _check(session: Session, source: Path, asked: Asked) -> CheckResult:
    from cis_ews.checking.counting import codes_by_column
    from cis_ews.checking.result import judged, refusal
    from cis_ews.checking.summary import summary_of

    try:
        checked = _read(session, source, asked)
    except DataError as error:
        refused = refusal(error, path=source, layout=asked.layout)
        rejections = error.rejections if isinstance(error, ToleranceError) else None
        _write_files(session, asked, result=refused, rejections=rejections)
        show_refused(session.terminal, refused)
        raise
    codes = codes_by_column(checked.counts.codes)
    summary = summary_of(checked, codes, layout=asked.layout)
    result = judged(checked, summary, codes, path=source, as_of=asked.as_of, beside=_beside(summary, asked))
    show_check(session.terminal, result)
    kept = None
    try:
        _write_files(session, asked, result=result, rejections=checked.rejections)
        kept = _keep(session, asked, summary=summary, is_unlike=result.is_unlike)
    finally:  # what was found is told, also where the disk takes no file
        session.terminal.record("checked", **result.to_dict(), kept=None if kept is None else str(kept))
    return result


def _read(session: Session, source: Path, asked: Asked) -> CheckedSource:
    from cis_ews.checking.reading import check_source
    from cis_ews.engines.local import LocalEngine
    from cis_ews.night.extract import Crew
    from cis_ews.night.parts import STUDENTS_A_PART
    from cis_ews.progress import Stopwatch

    with LocalEngine() as engine:
        return check_source(
            source,
            format=asked.layout,
            tolerance=session.settings.source.tolerance,
            as_of=asked.as_of,
            crew=Crew(engine, students_a_part=STUDENTS_A_PART, watch=Stopwatch(session.terminal)),
        )


def _beside(summary: Summary, asked: Asked) -> Beside:
    from cis_ews.checking.kept import last_kept, named
    from cis_ews.checking.result import NOT_ASKED

    if asked.against is not None:
        return named(asked.against, summary)
    return NOT_ASKED if asked.store is None else last_kept(asked.store, summary)


def _write_files(session: Session, asked: Asked, *, result: CheckResult, rejections: pl.DataFrame | None) -> None:
    """The page and the rejections, where they are asked for."""
    from cis_ews.checking.page import check_page
    from cis_ews.cli.summaries import write_table, write_text

    terminal = session.terminal
    if asked.rejections is not None and rejections is not None:
        write_table(rejections, asked.rejections)
        terminal.say()
        terminal.place("Every rejection lies in", asked.rejections)
    if asked.html is not None:
        write_text(check_page(result), asked.html)
        terminal.say()
        terminal.place("The page lies in", asked.html)


def _keep(session: Session, asked: Asked, *, summary: Summary, is_unlike: bool) -> Path | None:
    """Keep the summary, to hold the next extract against, and say so."""
    from cis_ews.checking.kept import keep

    terminal = session.terminal
    terminal.say()
    if asked.store is None:
        terminal.line(
            f"Not kept: there is no store at {session.store(None).root}. To have the next extract held against this "
            "one, name a store: --store night"
        )
        return None
    if is_unlike and not asked.accept:
        terminal.line(
            "Not kept, so that the next extract is held against the one before. If this one is right: --accept"
        )
        return None
    path = keep(asked.store, summary)
    terminal.place("Kept, to hold the next extract against:", path)
    return path


def _check_state(session: Session, source: Path, store: Path | None) -> None:
    """Compare a store's state with a whole extract. Raises DataError where they differ."""
    from cis_ews.engines.local import LocalEngine
    from cis_ews.night.extract import Crew
    from cis_ews.night.parts import STUDENTS_A_PART
    from cis_ews.night.state_check import compare_state
    from cis_ews.progress import Stopwatch

    runs = session.existing_store(store)
    with LocalEngine() as engine:
        crew = Crew(engine, students_a_part=STUDENTS_A_PART, watch=Stopwatch(session.terminal))
        found = compare_state(source, runs=runs, crew=crew)
    rows = found.rows.to_dicts()
    columns = ["table", "school", "missing", "extra", "different"]
    session.terminal.table("Rows of the kept state, beside the extract", columns, [list(row.values()) for row in rows])
    session.terminal.record("state", same=found.is_same, rows=rows, checked_otherwise=list(found.checks))
    if not found.is_same:
        raise DataError(
            "the kept state is not what the extract says: rows differ in "
            f"{counted(len(rows), 'table of a school', 'tables of schools')}, and other "
            f"rows are rejected in {counted(len(found.checks), 'table')}",
            hint="load the whole extract with --keep-state",
        )
    session.terminal.say("The kept state is what the extract says.")
