"""What a person was given, and the rows that follow from it. Plain values: no SQL, no web."""

from __future__ import annotations

from dataclasses import dataclass

from cis_ews.enums import Role


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a school, in a district (no school named) or everywhere (no district named).

    `is_emergency`: it was taken for an hour with a reason, and ends by itself.
    """

    role: Role
    district_id: str | None = None
    school_id: str | None = None
    is_emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The students whose rows a query may give: of these districts, of these schools, and of this person's caseload.

    A scope that names nothing gives no row. `schools`: pairs of district_id and school_id.
    """

    districts: frozenset[str] = frozenset()
    schools: frozenset[tuple[str, str]] = frozenset()
    caseload_of: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no student can be in it."""
        return not (self.districts or self.schools or self.caseload_of)
