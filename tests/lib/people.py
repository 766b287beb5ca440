"""Accounts for tests: one of each role over two districts."""

from __future__ import annotations

from functools import cache

from cis_ews.enums import Role
from cis_ews.storage.access import Grant
from cis_ews.storage.database import Database, NewPerson
from cis_ews.support.passwords import hash_password

PASSWORD = "correct horse battery"  # noqa: S105 - of people who do not exist


@cache
def password_hash() -> str:
    """The hash of the password of everybody here; it takes a while to make."""
    return hash_password(PASSWORD)


def add_person(database: Database, email: str, *grants: Grant, temporary: bool = False, locale: str = "en") -> str:
    """Add somebody who has the password of everybody here; returns the person_id."""
    new = NewPerson(
        email=email,
        name=f"Person of {email.partition('@')[0]}",
        locale=locale,
        password_hash=password_hash(),
        password_is_temporary=temporary,
    )
    return database.people.add(new, grants=grants)


def grants_for(district: str, school: str) -> dict[Role, Grant]:
    """A grant of each role for a school, its district or everywhere."""
    return {
        Role.COORDINATOR: Grant(Role.COORDINATOR, district, school),
        Role.SCHOOL_STAFF: Grant(Role.SCHOOL_STAFF, district, school),
        Role.DISTRICT_MANAGER: Grant(Role.DISTRICT_MANAGER, district),
        Role.AFFILIATE_MANAGER: Grant(Role.AFFILIATE_MANAGER, district),
        Role.STATE: Grant(Role.STATE),
        Role.DATA_STEWARD: Grant(Role.DATA_STEWARD, district),
        Role.ADMINISTRATOR: Grant(Role.ADMINISTRATOR),
    }
