"""Verbs about school data: make some up, measure indicators."""

from __future__ import annotations

import shlex
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from cis_ews.cli.options import AsOf, Format, Json, Source, parse_day
from cis_ews.cli.session import begin, read_source
from cis_ews.cli.show import show_rejections
from cis_ews.errors import ConfigError
from cis_ews.wording import counted


def synthesize(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write; an earlier output in it is replaced.")
    ],
    *,
    students: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Enrolled at a time, in all districts together: 2,400, or 1,100,000 in a state, if not given.",
            show_default=False,
        ),
    ] = None,
    years: Annotated[int, typer.Option(min=1, help="School years, the last one 2025-26.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same district.")] = 7,
    districts: Annotated[int, typer.Option(min=1, help="Number of districts.")] = 1,
    files: Annotated[Literal["csv", "parquet"], typer.Option(help="The kind of files.")] = "csv",
    through: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="The day of the extract: nothing later is in it."),
    ] = None,
    attendance: Annotated[
        Literal["exceptions", "positive"],
        typer.Option(help="Absences and tardies alone, or a row for every student and school day."),
    ] = "exceptions",
    summaries: Annotated[
        bool, typer.Option("--summaries", help="Sum up the years before the last in place of their daily rows.")
    ] = False,
    state: Annotated[
        bool,
        typer.Option(
            "--state",
            help="A whole state, districts in proportion: one year and two summed up, Parquet in parts, up to "
            "2026-06-12 if not said otherwise. Not with --years, --districts, --files or --summaries.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make up a district in the plain format: no real child is in it.

    For trying things out and for tests. It looks like a district; it is no
    evidence of how accurate anything is.

    Example:

        cis-ews synthesize extract --students 2400 --years 3 --seed 7

        cis-ews synthesize state --state --students 110000
    """
    from cis_ews.synthetic.generator import STATE_DAY, STATE_STUDENTS, STUDENTS, write_district, write_state

    decided = [f"--{name}" for name in ("years", "districts", "files", "summaries") if _is_given(context, name)]
    if state and decided:
        raise ConfigError(f"A state decides {', '.join(decided)} itself", hint="leave that out, or leave --state out")
    terminal = begin(context, as_json=as_json).terminal
    with terminal.step("synthesize"):
        if state:
            written = write_state(
                out,
                students=students or STATE_STUDENTS,
                attendance=attendance,
                seed=seed,
                through=through or STATE_DAY,
                progress=terminal,
            )
        else:
            written = write_district(
                out,
                students=students or STUDENTS,
                years=years,
                seed=seed,
                districts=districts,
                format=files,
                through=through,
                attendance=attendance,
                summaries=summaries,
                progress=terminal,
            )
    terminal.say(f"A made-up extract lies in {out}\nNext: cis-ews check {shlex.quote(str(out))}")
    plan = written.plan
    terminal.record(
        "synthesized", path=str(out), students=plan.students, years=plan.years, seed=seed, districts=plan.districts
    )


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def indicators(
    context: typer.Context,
    source: Source,
    *,
    as_of: AsOf,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A .parquet or .csv file.", show_default=False)],
    source_format: Format = None,
    as_json: Json = False,
) -> None:
    """Measure every student's attendance, behavior and coursework.

    Writes one row a student (absence_rate_ytd is days absent over days
    enrolled), and one column a flag rule: holds, abstains, or empty. No tiers
    and no names: this is for analysis. docs/indicators.md says what each
    column means. In CSV, an id that a spreadsheet may take for a formula gets
    an apostrophe in front.

    Example:

        cis-ews indicators extract --as-of 2026-02-27 --out indicators.csv
    """
    from cis_ews.cli.summaries import rules_by_student, write_table
    from cis_ews.indicators import compute_indicators
    from cis_ews.night.reach import check_reach
    from cis_ews.risk.rules import RULES, RulesModel

    session = begin(context, as_json=as_json)
    school_data = read_source(session, source, source_format, as_of=as_of)
    check_reach(school_data, as_of)
    with session.terminal.step("indicators"):
        measured = compute_indicators(school_data, as_of)
    with session.terminal.step("rules"):
        results = RulesModel().evaluate(measured, as_of=as_of)
    by_rule = rules_by_student(results, [rule.name for rule in RULES])
    wide = measured.join(by_rule, on="student_id", how="left", maintain_order="left")
    write_table(wide, out)
    show_rejections(session.terminal, school_data)
    session.terminal.say()
    session.terminal.place(f"{counted(wide.height, 'student')}, {counted(wide.width, 'column')}:", out)
    session.terminal.record("indicators", path=str(out), students=wide.height, columns=wide.width)
