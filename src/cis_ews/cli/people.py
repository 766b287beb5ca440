"""Verbs about the people who use the console."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Json, Store
from cis_ews.cli.session import Session, begin
from cis_ews.enums import Role
from cis_ews.errors import ConfigError

if TYPE_CHECKING:
    from cis_ews.storage.access import Grant
    from cis_ews.storage.database import Database, Person

app = typer.Typer(help="The people who use the console: accounts, roles, passwords.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address.", show_default=False)]
ARole = Annotated[Role, typer.Option("--role", metavar="ROLE", help="What the person is.", show_default=False)]
District = Annotated[str | None, typer.Option("--district", metavar="ID", help="The district of the role.")]
School = Annotated[str | None, typer.Option("--school", metavar="ID", help="The school of the role.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin: it may stay.")]


@app.command()
def add(  # noqa: PLR0913 - each is an option of the verb
    context: typer.Context,
    email: Email,
    *,
    name: Annotated[str, typer.Option("--name", help="As the pages show it.", show_default=False)],
    role: ARole,
    district: District = None,
    school: School = None,
    locale: Annotated[str, typer.Option("--language", help="en or es.")] = "en",
    password_stdin: FromStdin = False,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Add a person, with a first role and a first password.

    The password is shown once and must be changed at the first sign-in. ROLE
    is coordinator or school_staff (of a school), district_manager,
    affiliate_manager or data_steward (of a district), state, administrator.

    Example:

        cis-ews people add ana@example.org --name "Ana Ruiz" \\
            --role coordinator --district d1 --school s1
    """
    from cis_ews.storage.database import NewPerson
    from cis_ews.support.passwords import hash_password
    from cis_ews.support.permissions import LOCALES

    session = begin(context, as_json=as_json)
    grant = _grant(role, district=district, school=school)
    if locale not in LOCALES:
        raise ConfigError("That language is not there", hint=f"there are: {', '.join(LOCALES)}")
    password = _password(from_stdin=password_stdin)
    new = NewPerson(
        email=email,
        name=name,
        locale=locale,
        password_hash=hash_password(password),
        password_is_temporary=not password_stdin,
    )
    with session.database(session.store(store)) as database:
        person_id = database.people.add(new, grants=[grant])
    session.terminal.say("The person is added.")
    _show_password(session, person_id, password=password, is_shown=not password_stdin)


@app.command("list")
def list_people(context: typer.Context, *, store: Store = None, as_json: Json = False) -> None:
    """List the people and their roles.

    Example:

        cis-ews people list --store night
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        people = database.people.list()
    rows = [(one.email, one.name, "; ".join(map(_told, one.grants)), _state(one)) for one in people]
    session.terminal.table("People", ["e-mail", "name", "roles", "account"], rows)
    if not people:
        session.terminal.say("There is nobody yet.")
    for one in people:
        grants = [
            {"role": grant.role, "district_id": grant.district_id, "school_id": grant.school_id} for grant in one.grants
        ]
        session.terminal.record(
            "person", person_id=one.person_id, email=one.email, name=one.name, grants=grants, account=_state(one)
        )


@app.command()
def grant(
    context: typer.Context,
    email: Email,
    *,
    role: ARole,
    district: District = None,
    school: School = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Give a person one more role.

    Example:

        cis-ews people grant ana@example.org --role data_steward --district d1
    """
    session = begin(context, as_json=as_json)
    given = _grant(role, district=district, school=school)
    with session.database(session.store(store)) as database:
        person = _known(database, email)
        database.people.grant(person.person_id, given)
    session.terminal.say(f"Given: {_told(given)}.")
    session.terminal.record("granted", person_id=person.person_id, role=role.value)


@app.command()
def revoke(
    context: typer.Context,
    email: Email,
    *,
    role: ARole,
    district: District = None,
    school: School = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Take a role from a person; it ends with the next page.

    Example:

        cis-ews people revoke ana@example.org --role data_steward --district d1
    """
    session = begin(context, as_json=as_json)
    taken = _grant(role, district=district, school=school)
    with session.database(session.store(store)) as database:
        person = _known(database, email)
        is_gone = database.people.revoke(person.person_id, taken)
    if not is_gone:
        raise ConfigError("The person does not have that role", hint="see `cis-ews people list`")
    session.terminal.say(f"Taken: {_told(taken)}.")
    session.terminal.record("revoked", person_id=person.person_id, role=role.value)


@app.command()
def password(
    context: typer.Context,
    email: Email,
    *,
    password_stdin: FromStdin = False,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Give a person a new password: unlocks the account, ends every session.

    Example:

        cis-ews people password ana@example.org
    """
    from cis_ews.support.passwords import hash_password

    session = begin(context, as_json=as_json)
    new = _password(from_stdin=password_stdin)
    with session.database(session.store(store)) as database:
        person = _known(database, email)
        database.people.set_password(person.person_id, hash_password(new), is_temporary=not password_stdin)
    session.terminal.say("The password is set.")
    _show_password(session, person.person_id, password=new, is_shown=not password_stdin)


@app.command()
def disable(context: typer.Context, email: Email, *, store: Store = None, as_json: Json = False) -> None:
    """Close an account at once. The person stays named in the audit.

    Example:

        cis-ews people disable ana@example.org
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        person = _known(database, email)
        database.people.disable(person.person_id)
    session.terminal.say("The account is closed.")
    session.terminal.record("disabled", person_id=person.person_id)


@app.command()
def enable(context: typer.Context, email: Email, *, store: Store = None, as_json: Json = False) -> None:
    """Open a closed account again, and end a wait after wrong passwords.

    Example:

        cis-ews people enable ana@example.org
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        person = _known(database, email)
        database.people.enable(person.person_id)
        database.people.unlock(person.person_id)
    session.terminal.say("The account is open.")
    session.terminal.record("enabled", person_id=person.person_id)


def _grant(role: Role, *, district: str | None, school: str | None) -> Grant:
    from cis_ews.support.permissions import checked_grant

    return checked_grant(role, district_id=district, school_id=school)


def _known(database: Database, email: str) -> Person:
    person = database.people.by_email(email)
    if person is None:
        raise ConfigError("There is no account with that e-mail address", hint="see `cis-ews people list`")
    return person


def _password(*, from_stdin: bool) -> str:
    from cis_ews.support.passwords import made_password

    return sys.stdin.readline().rstrip("\r\n") if from_stdin else made_password()


def _show_password(session: Session, person_id: str, *, password: str, is_shown: bool) -> None:
    if not is_shown:
        session.terminal.record("password_set", person_id=person_id)
        return
    session.terminal.say(f"The first password, shown this once, to be changed at the first sign-in:\n\n{password}")
    session.terminal.record("password_set", person_id=person_id, password=password)


def _told(grant: Grant) -> str:
    places = [place for place in (grant.district_id, grant.school_id) if place]
    return f"{grant.role.value.replace('_', ' ')} ({', '.join(places) or 'all'})"


def _state(person: Person) -> str:
    from datetime import UTC, datetime

    if person.disabled_at is not None:
        return "closed"
    return "locked" if person.locked_until and person.locked_until > datetime.now(UTC) else "open"
