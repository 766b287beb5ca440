"""The audit: append-only, one chain of hashes a district, written in the transaction of what it tells of.

The hash of an entry is SHA-256 over the hash before it and the entry as canonical JSON. One chain a district keeps the
views of one district from queueing behind those of another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cis_ews.enums import AuditAction
from cis_ews.storage.database import tables
from cis_ews.storage.database.transactions import Transactions

COMMAND_LINE = "has the command line of the server"
BEGIN = "0" * 64
"""What the first entry of a chain follows."""
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened. `district_id`: whose chain it goes into, "" for what is of no district in particular.

    `person_id`: who did it, None for whoever has the command line. `detail`: never a name, a student's id or free text.
    `refs`: whom a list showed; how many they are and the hash of their refs go into the detail.
    """

    action: AuditAction
    why_allowed: str
    district_id: str = ""
    person_id: str | None = None
    ref: str | None = None
    detail: Mapping[str, str | int | None] = field(default_factory=dict[str, "str | int | None"])
    refs: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An entry as it was written."""

    district_id: str
    number: int
    at: datetime
    person_id: str | None
    action: str
    ref: str | None
    why_allowed: str
    detail: str
    hash: str

    @property
    def is_by_command_line(self) -> bool:
        """Whether somebody with the command line did it; a night and a refused sign-in have no person either."""
        return self.person_id is None and self.why_allowed == COMMAND_LINE

    @property
    def students(self) -> int | None:
        """How many students a list showed; None of what is no list."""
        found = json.loads(self.detail).get("students")
        return found if isinstance(found, int) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFault:
    """Where a chain does not hold, and how."""

    district_id: str
    number: int
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What `verify` found: entries by district, the newest hash by district, and every fault."""

    entries: Mapping[str, int]
    heads: Mapping[str, str]
    faults: tuple[AuditFault, ...]


class Audit:
    """The door to the audit. There is no way to change an entry."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def record(self, event: Event) -> None:
        """Write one entry in a transaction of its own: for what was seen."""
        with self._transactions.writing() as connection:
            record(connection, event)

    def search(
        self,
        *,
        district_id: str | None = None,
        district_ids: Collection[str] | None = None,
        person_id: str | None = None,
        ref: str | None = None,
        action: AuditAction | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[AuditRow]:
        """Entries that fit everything that is named, newest first; `ref`: also those of lists with this student."""
        table = tables.audit
        named = {"person_id": person_id, "action": action}
        conditions = [table.c[name] == value for name, value in named.items() if value is not None]
        if since is not None:
            conditions.append(table.c.at >= since)
        # One question a district: of several at once the newest are found by reading all of each.
        asked = [district_id] if district_ids is None else sorted(district_ids)
        districts = [one for one in asked if district_id in (None, one)]
        with self._transactions.reading() as connection:
            found = [
                row
                for district in districts
                for query in _queries(conditions, district_id=district, ref=ref)
                for row in connection.execute(query.limit(limit)).mappings()
            ]
        rows = [AuditRow(**row) for row in found]
        return sorted(rows, key=attrgetter("at", "number", "district_id"), reverse=True)[:limit]

    def has_hash(self, hashed: str) -> bool:
        """Whether an entry has this hash: a head that was written down, and must be there for good."""
        with self._transactions.reading() as connection:
            return connection.scalar(select(tables.audit.c.number).where(tables.audit.c.hash == hashed)) is not None

    def verify(self) -> AuditReport:
        """Compute every hash anew, and look for numbers that are missing, in between or at the end."""
        with self._transactions.reading() as connection:
            return verify(connection)


def _queries(
    conditions: Sequence[ColumnElement[bool]], *, district_id: str | None, ref: str | None
) -> Iterator[Select[Any]]:
    """What finds the newest entries of a district, or of all where None: those themselves, then those of lists."""
    table, lists = tables.audit, tables.audit_lists
    here = [] if district_id is None else [table.c.district_id == district_id]
    newest = select(table).where(*here, *conditions).order_by(table.c.at.desc(), table.c.number.desc())
    if ref is None:
        yield newest
        return
    yield newest.where(table.c.ref == ref)
    same = and_(lists.c.district_id == table.c.district_id, lists.c.number == table.c.number)
    yield newest.join(lists, same).where(lists.c.ref == ref)


def hash_of_refs(refs: Iterable[str]) -> str:
    """SHA-256 of the refs of a list, sorted: what the entry holds, so that none can be taken out or put in."""
    return hashlib.sha256("\n".join(sorted(refs)).encode()).hexdigest()


def record(connection: Connection, event: Event) -> None:
    """Append an entry inside the caller's transaction."""
    heads = tables.audit_heads
    refs = sorted(set(event.refs))
    told = {"students": len(refs), "refs": hash_of_refs(refs)} if refs else {}
    last = _locked_head(connection, event.district_id)
    entry: dict[str, Any] = {
        "district_id": event.district_id,
        "number": last.number + 1,
        "at": datetime.now(UTC),
        "person_id": event.person_id,
        "action": event.action.value,
        "ref": event.ref,
        "why_allowed": event.why_allowed,
        "detail": _canonical({**event.detail, **told}),
    }
    entry["hash"] = _hash(last.hash, entry)
    connection.execute(insert(tables.audit).values(entry))
    if refs:
        place = {"district_id": event.district_id, "number": entry["number"]}
        connection.execute(insert(tables.audit_lists), [{**place, "ref": ref} for ref in refs])
    newest = {"number": entry["number"], "hash": entry["hash"]}
    connection.execute(update(heads).where(heads.c.district_id == event.district_id).values(newest))


def _locked_head(connection: Connection, district_id: str) -> Row[Any, Any]:
    """The newest entry of a chain; whoever else wants to append waits until this transaction ends."""
    heads = tables.audit_heads
    query = select(heads.c.number, heads.c.hash).where(heads.c.district_id == district_id).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        # Two may begin a chain at once: one of them does, and both go on from there.
        first = _insert(connection, heads).values(district_id=district_id, number=0, hash=BEGIN)
        connection.execute(first.on_conflict_do_nothing())
        found = connection.execute(query).one()
    return found


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _hash(previous: str, entry: Mapping[str, Any]) -> str:
    told = {name: value for name, value in entry.items() if name != "hash"}
    told["at"] = told["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256((previous + _canonical(told)).encode("utf-8", "surrogatepass")).hexdigest()


def verify(connection: Connection) -> AuditReport:
    """Walk every chain from its first entry to its head."""
    table, heads = tables.audit, tables.audit_heads
    found_heads = {row.district_id: row for row in connection.execute(select(heads))}
    key = tables.audit_lists.c.district_id, tables.audit_lists.c.number
    # One row an entry: an entry with each ref of its list would come a hundred times.
    together = func.aggregate_strings(tables.audit_lists.c.ref, "\n").label("listed")
    lists = select(*key, together, func.count().label("rows")).group_by(*key).subquery()
    same = and_(lists.c.district_id == table.c.district_id, lists.c.number == table.c.number)
    query = select(*table.c, lists.c.listed, lists.c.rows).select_from(table.outerjoin(lists, same))
    query = query.order_by(table.c.district_id, table.c.number).execution_options(yield_per=_ROWS_AT_ONCE)
    walks: dict[str, _Walk] = {}
    for row in map(dict[str, Any], connection.execute(query).mappings()):
        refs, rows = row.pop("listed"), row.pop("rows")
        listed = None if refs is None else (hash_of_refs(refs.split("\n")), rows)
        walks.setdefault(row["district_id"], _Walk(row["district_id"])).step(row, listed)
    faults = [fault for walk in walks.values() for fault in walk.faults]
    for district in sorted(walks.keys() | found_heads.keys()):
        faults += _at_the_end(walks.get(district, _Walk(district)), found_heads.get(district))
    return AuditReport(
        entries={district: walk.entries for district, walk in sorted(walks.items())},
        heads={district: head.hash for district, head in sorted(found_heads.items())},
        faults=tuple(faults),
    )


class _Walk:
    """One chain, entry by entry."""

    def __init__(self, district_id: str) -> None:
        self.district_id = district_id
        self.number = 0
        self.hash = BEGIN
        self.entries = 0
        self.faults: list[AuditFault] = []

    def step(self, row: Mapping[Any, Any], listed: tuple[str, int] | None) -> None:
        """Compare an entry with the one before it, and whom it showed (the hash of their refs, and how many they are)
        with what it says of them."""
        number = row["number"]
        if number != self.number + 1:
            self.fault(self.number + 1, f"missing up to {number - 1}" if number > self.number + 2 else "missing")
        elif _hash(self.hash, row) != row["hash"]:
            self.fault(number, "changed")
        elif listed != _list_told(row["detail"]):
            self.fault(number, "whom the list showed was changed")
        self.number, self.hash = number, row["hash"]
        self.entries += 1

    def fault(self, number: int, found: str) -> None:
        """Remember a fault."""
        self.faults.append(AuditFault(district_id=self.district_id, number=number, found=found))


def _list_told(detail: str) -> tuple[str, int] | None:
    told = json.loads(detail)
    return (told["refs"], told["students"]) if "refs" in told else None


def _at_the_end(walk: _Walk, head: Row[Any, Any] | None) -> Iterator[AuditFault]:
    if head is None:
        yield AuditFault(district_id=walk.district_id, number=walk.number, found="the head of the chain is missing")
    elif head.number != walk.number:
        yield AuditFault(district_id=walk.district_id, number=walk.number + 1, found=f"missing up to {head.number}")
    elif head.hash != walk.hash:
        yield AuditFault(district_id=walk.district_id, number=head.number, found="changed at the end")
