"""People: their accounts, what they were given, and the students whom they accompany."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, inspect, or_, select, update

from cis_ews.enums import AuditAction, Role
from cis_ews.errors import ConfigError, RunNotFoundError
from cis_ews.storage.access import Grant
from cis_ews.storage.database import tables
from cis_ews.storage.database.audit import COMMAND_LINE, Event, record
from cis_ews.storage.database.seeing import Seeing, seeing_besides
from cis_ews.storage.database.tables_people import EVERYWHERE
from cis_ews.storage.database.transactions import Transactions

ATTEMPTS = 10
LOCKED = timedelta(minutes=15)
LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
NOBODY_LET_IN = "nobody was let in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person without the password."""

    person_id: str
    email: str
    name: str
    locale: str
    has_password: bool
    password_is_temporary: bool
    locked_until: datetime | None
    created_at: datetime
    disabled_at: datetime | None
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """What is needed of somebody new. `password_hash`: None for who signs in with a provider alone."""

    email: str
    name: str
    locale: str = "en"
    password_hash: str | None = None
    password_is_temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a sign-in is checked against. `is_open`: neither disabled nor locked now."""

    person_id: str
    password_hash: str | None
    password_set_at: datetime | None
    is_temporary: bool
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who changes an account, and why that is allowed; `person_id` None: from the command line."""

    person_id: str | None = None
    why_allowed: str = COMMAND_LINE


FROM_COMMAND_LINE = By()


class People:
    """The door to accounts; each change and its audit entry are one transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(self, new: NewPerson, *, grants: Iterable[Grant] = (), by: By = FROM_COMMAND_LINE) -> str:
        """Somebody new; returns the person_id. Raises ConfigError where the e-mail address is taken."""
        person_id, now = secrets.token_hex(16), datetime.now(UTC)
        email = plain_email(new.email)
        with self._transactions.writing(alone=True) as connection:
            if _find(connection, tables.people.c.email == email):
                raise ConfigError("There is an account with that e-mail address", hint="change that one instead")
            values = {
                "person_id": person_id,
                "email": email,
                "name": new.name,
                "locale": new.locale,
                "password_hash": new.password_hash,
                "password_is_temporary": new.password_is_temporary,
                "password_set_at": now if new.password_hash else None,
                "failed_attempts": 0,
                "created_at": now,
            }
            connection.execute(insert(tables.people).values(values))
            _record(connection, AuditAction.PERSON_ADDED, person_id, by=by)
            for grant in grants:
                _grant(connection, person_id, grant, by=by)
        return person_id

    def list(self, *, district_id: str | None = None) -> Sequence[Person]:
        """Everybody, or who was given something in a district, by e-mail address."""
        with self._transactions.reading() as connection:
            everybody = _find(connection)
        return [
            person
            for person in everybody
            if district_id is None or any(grant.district_id == district_id for grant in person.grants)
        ]

    def find(self, person_id: str) -> Person | None:
        """A person by id."""
        with self._transactions.reading() as connection:
            return next(iter(_find(connection, tables.people.c.person_id == person_id)), None)

    def by_email(self, email: str) -> Person | None:
        """A person by e-mail address, in any case of letters."""
        with self._transactions.reading() as connection:
            return next(iter(_find(connection, tables.people.c.email == email.strip().lower())), None)

    def grant(self, person_id: str, grant: Grant, *, by: By = FROM_COMMAND_LINE) -> None:
        """Give a role; changes nothing if it was given before."""
        with self._transactions.writing() as connection:
            _known(connection, person_id)
            if not connection.execute(select(tables.grants).where(_is(person_id, grant))).first():
                _grant(connection, person_id, grant, by=by)

    def revoke(self, person_id: str, grant: Grant, *, by: By = FROM_COMMAND_LINE) -> bool:
        """Take a role away; False if it was not there."""
        with self._transactions.writing() as connection:
            is_gone = connection.execute(delete(tables.grants).where(_is(person_id, grant))).rowcount == 1
            if is_gone:
                _record_grant(connection, AuditAction.ROLE_REVOKED, person_id, grant=grant, by=by)
        return is_gone

    def set_password(
        self, person_id: str, password_hash: str, *, is_temporary: bool = False, by: By = FROM_COMMAND_LINE
    ) -> None:
        """Set a password: unlocks the account and ends the person's sessions."""
        values = {
            "password_hash": password_hash,
            "password_is_temporary": is_temporary,
            "password_set_at": datetime.now(UTC),
            "failed_attempts": 0,
            "locked_until": None,
        }
        action = AuditAction.PASSWORD_RESET if is_temporary else AuditAction.PASSWORD_CHANGED
        with self._transactions.writing() as connection:
            _change(connection, person_id, action, by=by, values=values)
            _end_sessions(connection, person_id)

    def disable(self, person_id: str, *, by: By = FROM_COMMAND_LINE) -> None:
        """Close an account at once, and end the person's sessions."""
        with self._transactions.writing() as connection:
            values = {"disabled_at": datetime.now(UTC)}
            _change(connection, person_id, AuditAction.PERSON_DISABLED, by=by, values=values)
            _end_sessions(connection, person_id)

    def enable(self, person_id: str, *, by: By = FROM_COMMAND_LINE) -> None:
        """Open a closed account again."""
        with self._transactions.writing() as connection:
            _change(connection, person_id, AuditAction.PERSON_ENABLED, by=by, values={"disabled_at": None})

    def unlock(self, person_id: str, *, by: By = FROM_COMMAND_LINE) -> None:
        """End the wait after too many wrong passwords."""
        with self._transactions.writing() as connection:
            values = {"failed_attempts": 0, "locked_until": None}
            _change(connection, person_id, AuditAction.PERSON_UNLOCKED, by=by, values=values)

    def set_locale(self, person_id: str, locale: str) -> None:
        """The language of a person's pages."""
        with self._transactions.writing() as connection:
            _update(connection, person_id, {"locale": locale})

    def credentials(self, email: str) -> Credentials | None:
        """What a sign-in with this e-mail address is checked against."""
        table = tables.people
        with self._transactions.reading() as connection:
            found = connection.execute(select(table).where(table.c.email == email.strip().lower())).one_or_none()
        if found is None:
            return None
        is_locked = found.locked_until is not None and found.locked_until > datetime.now(UTC)
        return Credentials(
            person_id=found.person_id,
            password_hash=found.password_hash,
            password_set_at=found.password_set_at,
            is_temporary=found.password_is_temporary,
            is_open=found.disabled_at is None and not is_locked,
        )

    def refused(self, person_id: str | None) -> None:
        """Count a wrong password; the tenth in a row locks the account for a quarter of an hour.

        None: there is no such account; it is written down all the same, and takes as long.
        """
        with self._transactions.writing() as connection:
            is_locked = _count_attempt(connection, person_id)
            detail = {"person": person_id, "locked": int(is_locked)}
            event = Event(action=AuditAction.SIGN_IN_REFUSED, why_allowed=NOBODY_LET_IN, detail=detail)
            record(connection, event)

    def identity(self, issuer: str, subject: str) -> str | None:
        """The person whom a provider knows by this subject."""
        table = tables.identities
        with self._transactions.reading() as connection:
            query = select(table.c.person_id).where(table.c.issuer == issuer, table.c.subject == subject)
            return connection.scalar(query)

    def has_identity(self, person_id: str, *, issuer: str) -> bool:
        """Whether a provider knows a person by some subject already."""
        table = tables.identities
        with self._transactions.reading() as connection:
            query = select(table.c.subject).where(table.c.issuer == issuer, table.c.person_id == person_id)
            return connection.scalar(query) is not None

    def add_identity(self, person_id: str, *, issuer: str, subject: str) -> None:
        """Remember by which subject a provider knows a person."""
        values = {"person_id": person_id, "issuer": issuer, "subject": subject, "created_at": datetime.now(UTC)}
        with self._transactions.writing() as connection:
            connection.execute(insert(tables.identities).values(values))

    def seeing_besides(self, place: tuple[str, str], ref: str) -> Sequence[Seeing]:
        """Who sees a student of a place (district_id, school_id) by a caseload, or in an emergency right now."""
        with self._transactions.reading() as connection:
            return seeing_besides(connection, place, ref)

    def caseload(self, person_id: str) -> frozenset[tuple[str, str]]:
        """Whom a person accompanies: district_id and ref of each."""
        table = tables.caseloads
        with self._transactions.reading() as connection:
            query = select(table.c.district_id, table.c.ref).where(table.c.person_id == person_id)
            return frozenset((row.district_id, row.ref) for row in connection.execute(query))

    def add_to_caseload(self, person_id: str, district_id: str, *, ref: str, by: By) -> None:
        """Let a person accompany a student; changes nothing where that is so already."""
        values = {"person_id": person_id, "district_id": district_id, "ref": ref}
        with self._transactions.writing() as connection:
            if connection.execute(select(tables.caseloads).filter_by(**values)).first() is None:
                connection.execute(insert(tables.caseloads).values(**values, added_at=datetime.now(UTC)))
                _record_caseload(connection, AuditAction.CASELOAD_ADDED, values, by=by)

    def remove_from_caseload(self, person_id: str, district_id: str, *, ref: str, by: By) -> None:
        """End that a person accompanies a student."""
        table = tables.caseloads
        values = {"person_id": person_id, "district_id": district_id, "ref": ref}
        with self._transactions.writing() as connection:
            ending = delete(table).where(*(table.c[name] == value for name, value in values.items()))
            if connection.execute(ending).rowcount:
                _record_caseload(connection, AuditAction.CASELOAD_REMOVED, values, by=by)


def _count_attempt(connection: Connection, person_id: str | None) -> bool:
    """Whether this wrong password locks the account. While it is locked nothing is counted: the wait has an end."""
    table, now = tables.people, datetime.now(UTC)
    is_free = or_(table.c.locked_until.is_(None), table.c.locked_until <= now)
    counting = update(table).where(table.c.person_id == (person_id or ""), is_free)
    counted = counting.values(failed_attempts=table.c.failed_attempts + 1).returning(table.c.failed_attempts)
    if (connection.scalar(counted) or 0) < ATTEMPTS:
        return False
    locking = update(table).where(table.c.person_id == person_id)
    connection.execute(locking.values(failed_attempts=0, locked_until=now + LOCKED))
    return True


def closed_accounts(connection: Connection) -> Mapping[str, datetime]:
    """When each closed account was closed; none where the tables are older than people."""
    table = tables.people
    if not inspect(connection).has_table(table.name):
        return {}
    query = select(table.c.person_id, table.c.disabled_at).where(table.c.disabled_at.is_not(None))
    return {row.person_id: row.disabled_at for row in connection.execute(query)}


def close_again(connection: Connection, closed: Mapping[str, datetime]) -> None:
    """After a restore: close what had been closed since, and sign everybody out."""
    table = tables.people
    for person_id, moment in closed.items():
        connection.execute(update(table).where(table.c.person_id == person_id).values(disabled_at=moment))
    connection.execute(delete(tables.sessions))


def plain_email(text: str) -> str:
    """An e-mail address in lower case. Raises ConfigError where it is none; it is only compared, never sent to."""
    email = text.strip().lower()
    name, _, host = email.partition("@")
    if (
        not name
        or not host
        or "@" in host
        or len(email) > 254
        or any(not one.isprintable() or one == " " for one in email)
    ):
        raise ConfigError("That is no e-mail address", hint="write it as name@example.org")
    return email


def grants_of(connection: Connection, person_ids: Sequence[str]) -> Mapping[str, tuple[Grant, ...]]:
    """The grants of some people, in a fixed order."""
    table = tables.grants
    query = select(table).where(table.c.person_id.in_(person_ids))
    found: dict[str, tuple[Grant, ...]] = {}
    for row in connection.execute(query.order_by(table.c.role, table.c.district_id, table.c.school_id)):
        grant = Grant(Role(row.role), row.district_id or None, row.school_id or None)
        found[row.person_id] = (*found.get(row.person_id, ()), grant)
    for person_id, grant in _emergency_grants(connection, person_ids):
        found[person_id] = (*found.get(person_id, ()), grant)
    return found


def _emergency_grants(connection: Connection, person_ids: Sequence[str]) -> Iterator[tuple[str, Grant]]:
    table = tables.emergencies
    open_ones = select(table).where(table.c.person_id.in_(person_ids), table.c.until > datetime.now(UTC))
    for row in connection.execute(open_ones.order_by(table.c.since)):
        yield row.person_id, Grant(Role.SCHOOL_STAFF, row.district_id, row.school_id, is_emergency=True)


def _find(connection: Connection, *conditions: ColumnElement[bool]) -> list[Person]:
    table = tables.people
    rows = connection.execute(select(table).where(*conditions).order_by(table.c.email)).all()
    grants = grants_of(connection, [row.person_id for row in rows])
    return [
        Person(
            person_id=row.person_id,
            email=row.email,
            name=row.name,
            locale=row.locale,
            has_password=row.password_hash is not None,
            password_is_temporary=row.password_is_temporary,
            locked_until=row.locked_until,
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            grants=grants.get(row.person_id, ()),
        )
        for row in rows
    ]


def _known(connection: Connection, person_id: str) -> None:
    if not _find(connection, tables.people.c.person_id == person_id):
        raise RunNotFoundError("There is no such person", hint="see `cis-ews people list`")


def _is(person_id: str, grant: Grant) -> ColumnElement[bool]:
    table = tables.grants
    return and_(
        table.c.person_id == person_id,
        table.c.role == grant.role.value,
        table.c.district_id == (grant.district_id or EVERYWHERE),
        table.c.school_id == (grant.school_id or EVERYWHERE),
    )


def _grant(connection: Connection, person_id: str, grant: Grant, *, by: By) -> None:
    connection.execute(
        insert(tables.grants).values(
            person_id=person_id,
            role=grant.role.value,
            district_id=grant.district_id or EVERYWHERE,
            school_id=grant.school_id or EVERYWHERE,
            granted_at=datetime.now(UTC),
        )
    )
    _record_grant(connection, AuditAction.ROLE_GRANTED, person_id, grant=grant, by=by)


def _record_grant(connection: Connection, action: AuditAction, person_id: str, *, grant: Grant, by: By) -> None:
    detail = {"role": grant.role.value, "school_id": grant.school_id}
    _record(connection, action, person_id, by=by, district_id=grant.district_id or "", **detail)


def _record_caseload(connection: Connection, action: AuditAction, values: Mapping[str, str], *, by: By) -> None:
    _record(connection, action, values["person_id"], by=by, district_id=values["district_id"], ref=values["ref"])


def _record(
    connection: Connection,
    action: AuditAction,
    person_id: str,
    *,
    by: By,
    district_id: str = "",
    ref: str | None = None,
    **detail: str | None,
) -> None:
    event = Event(
        action=action,
        why_allowed=by.why_allowed,
        district_id=district_id,
        person_id=by.person_id,
        ref=ref,
        detail={"person": person_id, **detail},
    )
    record(connection, event)


def _change(connection: Connection, person_id: str, action: AuditAction, *, by: By, values: Mapping[str, Any]) -> None:
    _update(connection, person_id, values)
    _record(connection, action, person_id, by=by)


def _update(connection: Connection, person_id: str, values: Mapping[str, Any]) -> None:
    table = tables.people
    if connection.execute(update(table).where(table.c.person_id == person_id).values(values)).rowcount == 0:
        raise RunNotFoundError("There is no such person", hint="see `cis-ews people list`")


def _end_sessions(connection: Connection, person_id: str) -> None:
    connection.execute(delete(tables.sessions).where(tables.sessions.c.person_id == person_id))
