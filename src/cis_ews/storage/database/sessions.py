"""Who is signed in: rows that end by being idle, by age, by signing out, by a new password, by a closed account."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update

from cis_ews.enums import AuditAction
from cis_ews.storage.access import Grant
from cis_ews.storage.database import tables
from cis_ews.storage.database.audit import Event, record
from cis_ews.storage.database.exceptions import Stop, stop_of
from cis_ews.storage.database.people import grants_of
from cis_ews.storage.database.transactions import Transactions

OWN_ACCOUNT = "own account"
_SEEN_EVERY = timedelta(minutes=1)
"""How exact `seen_at` is: a page that is only read writes nothing within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a session ends by itself: after `idle` without a page, and after `absolute` in any case."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The person behind a session. `has_to_change_password`: the password was set by somebody else.

    `stop`: that flags are stopped, which every page says.
    """

    session_id: str
    person_id: str
    name: str
    email: str
    locale: str
    has_to_change_password: bool
    grants: tuple[Grant, ...]
    stop: Stop | None = None


class Sessions:
    """The door to sessions. A token is what the browser holds; the table has its hash alone."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def start(self, person_id: str, *, how: str, ended: str | None = None) -> str:
        """Sign a person in; returns a new token. `how`: goes into the audit. `ended`: a token that ends with it."""
        token, now = secrets.token_urlsafe(32), datetime.now(UTC)
        row = {"session_id": hash_of(token), "person_id": person_id, "created_at": now, "seen_at": now}
        people = tables.people
        with self._transactions.writing() as connection:
            if ended is not None:
                _end(connection, ended)
            fresh = {"failed_attempts": 0, "locked_until": None}
            connection.execute(update(people).where(people.c.person_id == person_id).values(fresh))
            connection.execute(insert(tables.sessions).values(row))
            _record(connection, AuditAction.SIGNED_IN, person_id, how=how)
        return token

    def find(self, token: str, limits: Limits) -> SignedIn | None:
        """Who holds a token, unless the session has ended."""
        table, people, now = tables.sessions, tables.people, datetime.now(UTC)
        query = (
            select(table.c.session_id, table.c.seen_at, people)
            .join_from(table, people)
            .where(
                table.c.session_id == hash_of(token),
                table.c.seen_at > now - limits.idle,
                table.c.created_at > now - limits.absolute,
                people.c.disabled_at.is_(None),
            )
        )
        with self._transactions.reading() as connection:
            found = connection.execute(query).one_or_none()
            stop = stop_of(connection)
            grants = () if found is None else grants_of(connection, [found.person_id]).get(found.person_id, ())
        if found is None:
            return None
        if now - found.seen_at > _SEEN_EVERY:
            self._seen(found.session_id, now)
        return SignedIn(
            session_id=found.session_id,
            person_id=found.person_id,
            name=found.name,
            email=found.email,
            locale=found.locale,
            has_to_change_password=found.password_is_temporary,
            grants=grants,
            stop=stop,
        )

    def end(self, token: str) -> None:
        """Sign out; a token of nobody is no error."""
        with self._transactions.writing() as connection:
            person_id = _end(connection, token)
            if person_id is not None:
                _record(connection, AuditAction.SIGNED_OUT, person_id)

    def drop_ended(self, limits: Limits) -> int:
        """Delete the rows of sessions that have ended; returns their number."""
        table, now = tables.sessions, datetime.now(UTC)
        is_over = or_(table.c.seen_at <= now - limits.idle, table.c.created_at <= now - limits.absolute)
        with self._transactions.writing() as connection:
            return connection.execute(delete(table).where(is_over)).rowcount

    def _seen(self, session_id: str, now: datetime) -> None:
        table = tables.sessions
        with self._transactions.writing() as connection:
            connection.execute(update(table).where(table.c.session_id == session_id).values(seen_at=now))


def hash_of(token: str) -> str:
    """The key of a session's row. The token has 256 random bits: a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _end(connection: Connection, token: str) -> str | None:
    table = tables.sessions
    return connection.scalar(delete(table).where(table.c.session_id == hash_of(token)).returning(table.c.person_id))


def _record(connection: Connection, action: AuditAction, person_id: str, **detail: str) -> None:
    """Into the chain of the person's first district: those of one district do not wait for the others."""
    grants = grants_of(connection, [person_id]).get(person_id, ())
    district = min((grant.district_id or "" for grant in grants), default="")
    event = Event(action=action, why_allowed=OWN_ACCOUNT, district_id=district, person_id=person_id, detail={**detail})
    record(connection, event)
