"""What the database gives to its callers: frozen rows, no frames and no SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

TierFilter = Literal[1, 2, 3, "not_enough_data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What a publish did: districts whose flags are now of this run, that had them already, that have newer ones."""

    run_id: str
    published: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept_newer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as one district sees it; the counts are of that district."""

    run_id: str
    as_of: date
    created_at: datetime
    published_at: datetime
    is_current: bool
    model_version: str
    path: str
    students: int
    tier_1: int
    tier_2: int
    tier_3: int
    not_enough_data: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """The current score of a student. `changed_at`: since when tier and tier_reason are what they are.

    `list_place`: the place among those of the school for whom a rule asks Tier 3 or 2, 1 first; None for everyone else.
    """

    ref: str
    student_id: str
    school_id: str
    grade_level: str | None
    tier: int | None
    tier_reason: str
    list_place: int | None
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    days_enrolled: int
    abstained: bool
    model_version: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePage:
    """Some scores of a district's current run, by ref. `next`: the `after` of the next page; None on the last.

    `published_at` is what to send as `since` next time: it misses nothing. `run_id`, `as_of` and `published_at` are
    None while nothing was published for the district.
    """

    rows: tuple[ScoreRow, ...] = ()
    next: str | None = None
    run_id: str | None = None
    as_of: date | None = None
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """One reason or strength in plain words."""

    rank: int
    domain: str
    indicator: str
    value: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentReasons:
    """A student's current score with its reasons, its strengths and what is not known, each by rank."""

    score: ScoreRow
    run_id: str
    as_of: date
    reasons: tuple[ReasonRow, ...]
    strengths: tuple[ReasonRow, ...]
    unknown: tuple[ReasonRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolRow:
    """A school with the number of its students in each tier today.

    `beyond_list`: for whom a rule asks Tier 2 or 3, and the list was full.
    """

    school_id: str
    name: str | None
    students: int
    tier_2: int
    tier_3: int
    beyond_list: int
    not_enough_data: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the service, without its secret."""

    key_id: str
    district_id: str
    label: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A night that was asked for through the service."""

    job_id: str
    district_id: str
    kind: str
    source: str
    as_of: date | None
    status: Literal["queued", "running", "done", "failed", "interrupted"]
    requested_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_id: str | None
    error_code: str | None
    error_message: str | None
