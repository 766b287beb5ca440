"""Keys of the service: `cisews_<key_id>_<secret>`; only the SHA-256 of the secret is kept.

The secret has 256 random bits, so a plain hash is enough: there is nothing to guess that a slow hash would slow down.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, inspect, select, update

from cis_ews.enums import AuditAction
from cis_ews.errors import ConfigError
from cis_ews.storage.database import tables
from cis_ews.storage.database.audit import Event, record
from cis_ews.storage.database.people import FROM_COMMAND_LINE, By
from cis_ews.storage.database.rows import ApiKey

_KEY = re.compile(r"cisews_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)
_FIELDS = tuple(ApiKey.__dataclass_fields__)
_COLUMNS = [tables.api_keys.c[name] for name in _FIELDS]


def create_key(connection: Connection, district_id: str, label: str, *, by: By = FROM_COMMAND_LINE) -> tuple[str, str]:
    """A new key of a district: its id, and the whole key, which is shown this once."""
    if not district_id:
        raise ConfigError("A key needs a district", hint="name one that has a published run")
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    connection.execute(
        insert(tables.api_keys).values(
            key_id=key_id,
            district_id=district_id,
            key_hash=_hash(secret),
            label=label,
            created_at=datetime.now(UTC),
        )
    )
    _record(connection, AuditAction.KEY_CREATED, key_id, district_id=district_id, by=by)
    return key_id, f"cisews_{key_id}_{secret}"


def check_key(connection: Connection, text: str) -> ApiKey | None:
    """The key that a text is, unless there is none such or it was revoked."""
    parts = _KEY.fullmatch(text)
    if parts is None:
        return None
    table = tables.api_keys
    found = connection.execute(select(table.c.key_hash, *_COLUMNS).where(table.c.key_id == parts[1])).one_or_none()
    is_right = hmac.compare_digest(found.key_hash if found else _hash(""), _hash(parts[2]))
    if found is None or not is_right or found.revoked_at is not None:
        return None
    return ApiKey(**dict(zip(_FIELDS, found[1:], strict=True)))


def revoke_key(connection: Connection, key_id: str, *, by: By = FROM_COMMAND_LINE) -> bool:
    """End a key; False if there is no such key or it had ended before."""
    table = tables.api_keys
    ending = update(table).where(table.c.key_id == key_id, table.c.revoked_at.is_(None))
    district = connection.scalar(ending.values(revoked_at=datetime.now(UTC)).returning(table.c.district_id))
    if district is not None:
        _record(connection, AuditAction.KEY_REVOKED, key_id, district_id=district, by=by)
    return district is not None


def revoked_keys(connection: Connection) -> list[str]:
    """The ids of the keys that have ended; none where the tables are older than keys."""
    table = tables.api_keys
    if not inspect(connection).has_table(table.name):
        return []
    return list(connection.scalars(select(table.c.key_id).where(table.c.revoked_at.is_not(None))))


def list_keys(connection: Connection, district_id: str | None) -> list[ApiKey]:
    """The keys, of one district or of all, oldest first; the revoked ones too."""
    table = tables.api_keys
    query = select(*_COLUMNS).order_by(table.c.created_at, table.c.key_id)
    if district_id is not None:
        query = query.where(table.c.district_id == district_id)
    return [ApiKey(**row) for row in connection.execute(query).mappings()]


def _record(connection: Connection, action: AuditAction, key_id: str, *, district_id: str, by: By) -> None:
    event = Event(
        action=action,
        why_allowed=by.why_allowed,
        district_id=district_id,
        person_id=by.person_id,
        detail={"key": key_id},
    )
    record(connection, event)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
