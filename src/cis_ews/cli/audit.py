"""Verbs about the audit: is it whole, and what does it tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Json, Store, parse_day
from cis_ews.cli.session import begin
from cis_ews.enums import AuditAction
from cis_ews.errors import ConfigError, StorageError
from cis_ews.support.words import AUDIT_WORDS
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.storage.database import AuditFault, AuditRow, Database

app = typer.Typer(help="The audit of the console: verify its chains, search it.", no_args_is_help=True)
SHOWN_FAULTS = 20


@app.command()
def verify(
    context: typer.Context,
    *,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="HASH", help="A head that was written down: it must be in a chain still."),
    ] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Compute every hash of the audit anew.

    Names each entry that was changed or is missing; exit code 5 where there
    is one. Prints the head of each chain: write it down elsewhere, and give
    it later as --head, so that a chain rewritten to its end shows as well.

    Example:

        cis-ews audit verify --store night
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        report = database.audit.verify()
        lost = [each for each in head or () if not database.audit.has_hash(each)]
    rows = [(district or "-", report.entries.get(district, 0), each) for district, each in report.heads.items()]
    session.terminal.record(
        "audit_verified",
        entries=dict(report.entries),
        heads=dict(report.heads),
        faults=[{"district_id": one.district_id, "number": one.number, "found": one.found} for one in report.faults],
        lost_heads=lost,
    )
    if report.faults or lost:
        told = [*map(_told, report.faults[:SHOWN_FAULTS]), *(f"no entry has the head {each}" for each in lost)]
        more = len(report.faults) - SHOWN_FAULTS
        told += [f"and {more} more"] if more > 0 else []
        raise StorageError(f"The audit is not whole: {'; '.join(told)}", hint="compare it with a backup")
    entries = counted(sum(report.entries.values()), "entry", "entries")
    session.terminal.say(f"{entries} in {counted(len(rows), 'chain')}: whole.")
    for district, number, each in rows:
        session.terminal.say(f"{district} {number} {each}")


@app.command()
def search(  # noqa: PLR0913 - each is an option of the verb
    context: typer.Context,
    *,
    person: Annotated[str | None, typer.Option("--person", metavar="EMAIL", help="Who did it.")] = None,
    ref: Annotated[str | None, typer.Option("--ref", help="The student's ref, from an address.")] = None,
    district: Annotated[str | None, typer.Option("--district", metavar="ID", help="Of this district.")] = None,
    action: Annotated[
        AuditAction | None, typer.Option("--action", metavar="ACTION", help="Its name, as --json has it.")
    ] = None,
    since: Annotated[
        date | None,
        typer.Option("--since", parser=parse_day, metavar="DATE", help="From this day on.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 100,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Find entries of the audit, newest first.

    Example:

        cis-ews audit search --person ana@example.org --since 2026-02-01
    """
    session = begin(context, as_json=as_json)
    moment = None if since is None else datetime(since.year, since.month, since.day, tzinfo=UTC)
    with session.database(session.store(store)) as database:
        person_id = None if person is None else _person_id(database, person)
        rows = database.audit.search(
            district_id=district, person_id=person_id, ref=ref, action=action, since=moment, limit=limit
        )
        names = {one.person_id: one.email for one in database.people.list()}
    session.terminal.say("When (UTC), who, what, whom:" if rows else "There are no such entries.")
    for row in rows:
        session.terminal.line(_in_words(row, names))
        session.terminal.record(
            "audit",
            **{name: getattr(row, name) for name in ("district_id", "number", "at", "person_id", "action", "ref")},
            why_allowed=row.why_allowed,
            detail=row.detail,
            hash=row.hash,
        )


def _in_words(row: AuditRow, names: Mapping[str, str]) -> str:
    nobody = "command line" if row.is_by_command_line else row.why_allowed
    who = nobody if row.person_id is None else names.get(row.person_id, row.person_id)
    whom = row.ref or (f"a list of {row.students}" if row.students else None)
    return f"{row.at:%Y-%m-%d %H:%M} {who}: {AUDIT_WORDS[AuditAction(row.action)]}{f', {whom}' if whom else ''}"


def _person_id(database: Database, email: str) -> str:
    person = database.people.by_email(email)
    if person is None:
        raise ConfigError("There is no account with that e-mail address", hint="see `cis-ews people list`")
    return person.person_id


def _told(fault: AuditFault) -> str:
    return f"district {fault.district_id or '-'}, entry {fault.number}: {fault.found}"
