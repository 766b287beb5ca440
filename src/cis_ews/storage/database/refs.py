"""The opaque ids of students in addresses (docs/adr/0004-opaque-references.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import polars as pl
from sqlalchemy import Connection, select

from cis_ews.errors import StorageError
from cis_ews.storage.database import tables

REF_LENGTH = 32
_BLOCK = 64
"""Bytes of a block of SHA-256: an HMAC's key is one."""
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
REF_SECRET = "ref_secret"  # noqa: S105 - the name of the secret


def ref_secret(connection: Connection) -> bytes:
    """The secret that refs are made with; made at the first upgrade."""
    value = connection.scalar(select(tables.secrets.c.value).where(tables.secrets.c.name == REF_SECRET))
    if value is None:
        raise StorageError("the database has lost its secret for refs", hint="restore a backup of it")
    return bytes.fromhex(value)


def refs_in_districts(connection: Connection, student_ids: Collection[str], districts: Collection[str]) -> list[str]:
    """The refs that students have in any of the districts: to find what is kept of them under their ref alone."""
    pairs = pl.DataFrame({"district_id": sorted(districts)}, schema={"district_id": pl.String}).join(
        pl.DataFrame({"student_id": sorted(student_ids)}, schema={"student_id": pl.String}), how="cross"
    )
    return refs_of(ref_secret(connection), pairs).to_list()


def refs_of(secret: bytes, students: pl.DataFrame) -> pl.Series:
    """The ref of each student: an HMAC of district_id and student_id, that only the secret makes or undoes.

    `secret`: at most 64 bytes, as `ref_secret` makes it; a longer one RFC 2104 would have hashed first.
    """
    if len(secret) > _BLOCK:
        raise ValueError(f"the secret of refs has {len(secret)} bytes; at most {_BLOCK}")
    length = pl.col("district_id").str.len_chars()
    messages = students.select(pl.format("{}:{}{}", length, "district_id", "student_id").cast(pl.Binary)).to_series()
    # An HMAC as RFC 2104 puts it together: to begin from the key anew for each takes three times as long.
    inner, outer = (hashlib.sha256(secret.ljust(_BLOCK, b"\0").translate(pad)) for pad in (_INNER, _OUTER))
    digests: list[bytes] = []
    for message in messages:
        within, around = inner.copy(), outer.copy()
        within.update(message)
        around.update(within.digest())
        digests.append(around.digest())
    return pl.Series("ref", digests, dtype=pl.Binary).bin.encode("hex").str.slice(0, REF_LENGTH)
