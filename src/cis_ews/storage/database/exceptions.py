"""What is not the rule: flags that are stopped for everybody, and access that was taken in an emergency."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from cis_ews.enums import AuditAction
from cis_ews.errors import ConfigError
from cis_ews.storage.database import tables
from cis_ews.storage.database.audit import Event, record
from cis_ews.storage.database.people import By
from cis_ews.storage.database.transactions import Transactions

FLAGS = "flags"
EMERGENCY = timedelta(hours=1)
SHORTEST_REASON = 10
"""Characters; the hint below says it in words that have a translation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """That flags are stopped, since when and why."""

    person_id: str | None
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """Access that somebody took for an hour."""

    emergency_id: str
    person_id: str
    district_id: str
    school_id: str
    reason: str
    since: datetime
    until: datetime


class Switch:
    """The door to the off switch."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def state(self) -> Stop | None:
        """Why and since when flags are stopped; None while they are not."""
        with self._transactions.reading() as connection:
            return stop_of(connection)

    def turn_off(self, reason: str, *, by: By) -> None:
        """Stop flags everywhere, from the next page on. Raises ConfigError without a reason."""
        values = {"name": FLAGS, "person_id": by.person_id, "reason": _reason(reason), "since": datetime.now(UTC)}
        with self._transactions.writing(alone=True) as connection:
            if stop_of(connection) is None:
                connection.execute(insert(tables.off_switch).values(values))
                record(connection, _event(AuditAction.SWITCHED_OFF, by))

    def turn_on(self, *, by: By) -> None:
        """Show flags again."""
        with self._transactions.writing(alone=True) as connection:
            if connection.execute(delete(tables.off_switch)).rowcount:
                record(connection, _event(AuditAction.SWITCHED_ON, by))


class Emergencies:
    """The door to access that was taken in an emergency."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def begin(self, district_id: str, school_id: str, *, reason: str, by: By) -> str:
        """An hour of access to a school; returns its id. Raises ConfigError without a reason, or for no school."""
        if by.person_id is None:
            raise ConfigError("An emergency has a person", hint="sign in to the console")
        emergency_id, now = secrets.token_hex(16), datetime.now(UTC)
        schools = tables.schools
        known = select(schools).where(schools.c.district_id == district_id, schools.c.school_id == school_id)
        row = {
            "emergency_id": emergency_id,
            "person_id": by.person_id,
            "district_id": district_id,
            "school_id": school_id,
            "reason": _reason(reason),
            "since": now,
            "until": now + EMERGENCY,
        }
        with self._transactions.writing() as connection:
            if connection.execute(known).first() is None:
                raise ConfigError("There is no such school", hint="choose one of the list")
            connection.execute(insert(tables.emergencies).values(row))
            event = _event(AuditAction.EMERGENCY_BEGUN, by, district_id=district_id, emergency=emergency_id)
            record(connection, event)
        return emergency_id

    def end(self, emergency_id: str, *, by: By) -> None:
        """End an emergency before its hour is over."""
        table, now = tables.emergencies, datetime.now(UTC)
        ending = update(table).where(table.c.emergency_id == emergency_id, table.c.until > now).values(until=now)
        with self._transactions.writing() as connection:
            district = connection.scalar(ending.returning(table.c.district_id))
            if district is not None:
                event = _event(AuditAction.EMERGENCY_ENDED, by, district_id=district, emergency=emergency_id)
                record(connection, event)

    def list(self, *, limit: int = 100) -> list[Emergency]:
        """The emergencies, newest first, the ended ones too."""
        table = tables.emergencies
        with self._transactions.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.since.desc()).limit(limit)).mappings()
            return [Emergency(**row) for row in rows]


def stop_of(connection: Connection) -> Stop | None:
    """Whether flags are stopped."""
    table = tables.off_switch
    found = connection.execute(select(table).where(table.c.name == FLAGS)).one_or_none()
    return None if found is None else Stop(person_id=found.person_id, reason=found.reason, since=found.since)


def _reason(text: str) -> str:
    reason = text.strip()
    if len(reason) < SHORTEST_REASON:
        raise ConfigError("This needs a reason", hint="write at least 10 characters")
    return reason


def _event(action: AuditAction, by: By, *, district_id: str = "", **detail: str) -> Event:
    return Event(
        action=action, why_allowed=by.why_allowed, district_id=district_id, person_id=by.person_id, detail={**detail}
    )
