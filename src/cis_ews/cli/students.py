"""A family's rights as verbs: see what is held, have it corrected, have it forgotten."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from cis_ews.cli.night import chosen_model, run_night
from cis_ews.cli.options import Format, Json, Model, OptionalAsOf, Policy, Source, Store, StudentId
from cis_ews.cli.session import begin, read_source
from cis_ews.cli.show import show_forgotten, show_night
from cis_ews.errors import ConfigError, RunNotFoundError
from cis_ews.wording import counted

app = typer.Typer(help="A family's rights: export, correct, forget one student.", no_args_is_help=True)
_PRIVATE = 0o600


@app.command()
def export(
    context: typer.Context,
    student_id: StudentId,
    *,
    store: Store = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A JSON file, readable by you alone. Default: print it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Everything that is held about one student, as JSON.

    Scores, reasons, indicators and rules of every run, corrections, and the
    rows of the database.

    Example:

        cis-ews student export 10023 --store night --out 10023.json
    """
    from cis_ews.storage.erasure import export_student

    session = begin(context, as_json=as_json)
    runs = session.existing_store(store)
    with session.database_if_any(runs) as database:
        held = export_student(runs, database, student_id)
    if not any((held["runs"], held["corrections"], held["state"], any(held["database"].values()))):
        raise RunNotFoundError("Nothing is held about that student", hint="check the id and the store")
    if out is not None or not as_json:
        _write(held, out)
    session.terminal.record("held", **({"out": str(out)} if out else held))


@app.command()
def correct(  # noqa: PLR0913 - each is an option of the verb
    context: typer.Context,
    student_id: StudentId,
    *,
    source: Source,
    records: Annotated[
        Path,
        typer.Option(
            "--records", metavar="FOLDER", help="The corrected tables, in the plain format.", show_default=False
        ),
    ],
    store: Store = None,
    source_format: Format = None,
    as_of: OptionalAsOf = None,
    model: Model = None,
    policy: Policy = None,
    as_json: Json = False,
) -> None:
    """Put one student's records right, and score again.

    FOLDER holds one or more tables of the plain format (docs/formats.md) with
    all rows of that student and of nobody else. Each replaces the student's
    rows in that table, in this night and in every later one, whatever the
    extract says. A table with its whole header alone says: there are none. The night
    that is scored again is the store's newest, or --as-of; name the --policy
    and the --model that it was scored with, if they were named then.

    Example:

        cis-ews student correct 10023 extract --records right --store night
    """
    from cis_ews.corrections import check_correction, keep_correction, read_correction, rows_replaced

    session = begin(context, as_json=as_json)
    runs = session.existing_store(store)
    day = as_of or runs.latest().as_of
    chosen = chosen_model(session, model, store=runs)
    correction = read_correction(student_id, records)
    school_data = read_source(session, source, source_format)
    check_correction(school_data, correction)
    keep_correction(runs, correction)
    replaced = rows_replaced(school_data, correction)
    for name, (before, after) in replaced.items():
        session.terminal.say(f"Kept: {name}, replaced {counted(before, 'row')} of the extract by {after}")
    session.terminal.record("corrected", tables={name: {"before": b, "after": a} for name, (b, a) in replaced.items()})
    night = run_night(session, source, chosen, store=runs, as_of=day, source_format=source_format, policy=policy)
    show_night(session.terminal, night)


@app.command()
def forget(
    context: typer.Context,
    student_id: StudentId,
    *,
    store: Store = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Forget one student: gone from every run, correction and table.

    Each run that held the student is rewritten, and its manifest says that it
    was, not who. Later nights leave the student out. What cannot be reached:
    exports made earlier, and backups.

    Example:

        cis-ews student forget 10023 --store night
    """
    from cis_ews.storage.erasure import forget_student

    session = begin(context, as_json=as_json)
    runs = session.existing_store(store)
    _ask(yes=yes, as_json=as_json)
    with session.database_if_any(runs) as database:
        report = forget_student(runs, database, student_id, today=date.today())
    show_forgotten(session.terminal, report)


def _ask(*, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise ConfigError("This cannot be undone, and there is nobody to ask", hint="say --yes")
    typer.confirm("This cannot be undone. Forget the student?", abort=True)


def _write(held: dict[str, Any], out: Path | None) -> None:
    from cis_ews.storage.files import disk_errors, replace_durably

    text = json.dumps(held, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    with disk_errors(out, "write"):
        replace_durably(out, text.encode(), mode=_PRIVATE)
