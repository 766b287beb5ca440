"""What the pages of students and schools are given: frozen rows, no frames and no SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from cis_ews.enums import CaseState

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolPlace:
    """A school that a viewer may look into. `ref`: its opaque id in addresses.

    `capacity`, `reported_through`: None where a night of before did not say, or the source does not.
    """

    district_id: str
    school_id: str
    ref: str
    name: str | None
    level: str | None
    capacity: int | None
    reported_through: date | None
    as_of: date
    published_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason, a strength or what is not known, in plain words."""

    direction: str
    rank: int
    domain: str
    indicator: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterRow:
    """A student of a school with what a list shows. `days_absent`: whole and part days this year; None if not known.

    `domains`: what the student's reasons speak of. `told`: in words, of those on the list, without enough data or asked
    for. `before`: of whom tonight's list has no more, the first reasons of the night before; empty where none are kept.
    The numbers of a risk are there for those alone who may see them: whoever makes the page decides.
    """

    district_id: str
    ref: str
    school_id: str
    first_name: str | None
    last_name: str | None
    grade_level: str | None
    tier: int | None
    tier_reason: str
    list_place: int | None
    changed_at: datetime
    days_enrolled: int
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    days_absent: float | None
    domains: frozenset[str]
    told: tuple[Reason, ...]
    before: tuple[str, ...] = ()

    def having(self, direction: str) -> tuple[Reason, ...]:
        """The reasons of one direction, by rank."""
        return tuple(sorted((one for one in self.told if one.direction == direction), key=lambda one: one.rank))


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChange:
    """A student who entered, left or came into another tier on a night. `cause`: None where it could not be told."""

    ref: str
    run_id: str
    as_of: date
    school_id: str
    change: str
    cause: str | None
    tier_before: int | None
    tier_now: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentPage:
    """A student with everything that a page tells.

    `records`: table -> rows, by `cis_ews.schema.student_records.RECORDS`; empty where the night kept none.
    `school_days`: the instructional days of the student's school this year. `schools`: school_id -> name, of all
    schools of the district. `first_night`: the as-of date of the first night that is known of the district.
    """

    row: RosterRow
    school: SchoolPlace
    records: Mapping[str, Sequence[Mapping[str, Any]]]
    history: Sequence[TierChange]
    school_days: Sequence[date]
    schools: Mapping[str, str]
    first_night: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolCounts:
    """A school with its numbers, for those who see no students."""

    school: SchoolPlace
    students: int
    tier_1: int
    tier_2: int
    tier_3: int
    not_enough_data: int
    beyond_list: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCount:
    """How many students of a school, a grade, a tier and a state of their cases there are; no student is in it.

    `state` None: nobody has done anything. `beyond_list`: those for whom a rule asks for more, and the list is full.
    """

    school_id: str
    grade_level: str | None
    tier: int | None
    state: CaseState | None
    students: int
    beyond_list: int


GROUP_COLUMNS = ("students", "flagged", "in_support", "in_touch", "unseen")
"""What is counted of a group of students; of those flagged what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTold:
    """What the night told of a group of students of a district; sums alone, None where they are not told.

    Of all students of the district `attribute` and `group` are empty.
    """

    district_id: str
    attribute: str
    group: str
    told: Mapping[str, int | None]


GroupRule = Callable[["pl.DataFrame"], "pl.DataFrame"]
"""What is told of groups by a night that is published: `cis_ews.evaluation.groups.told_groups` with its tables.

Given one row a student: `student_id`, `district_id`, `tier`, `state` of the case. Gives the rows of `group_counts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """Filters of a school's roster under a name; `filters` is the query of an address."""

    name: str
    filters: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictCounts:
    """A district with the numbers of its current run. `ref`: its opaque id in addresses."""

    district_id: str
    ref: str
    as_of: date
    published_at: datetime
    students: int
    tier_1: int
    tier_2: int
    tier_3: int
    not_enough_data: int
