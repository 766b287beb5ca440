"""What the service takes and gives, with an example of each: the source of /v1/openapi.json."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

REF = "5f0c3b9a1d2e4f60718293a4b5c6d7e8"
RUN_ID = "9b1f6e3c2a7d4058"
JOB_ID = "3c9a0f6e5b7d41928e6f0a1b2c3d4e5f"
PUBLISHED = "2026-02-28T05:12:09.301275Z"

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*", re.ASCII)


def _written_as(pattern: re.Pattern[str]) -> BeforeValidator:
    """Text of this form and nothing else: pydantic would take a number for the seconds since 1970."""

    def check(value: object) -> object:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError("not written as described")
        return value

    return BeforeValidator(check)


Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(from_attributes=True, json_schema_extra={"examples": [values]})


class ErrorDetail(BaseModel):
    """What went wrong; `code` is for programs, `message` and `hint` are for people."""

    code: str
    message: str
    hint: str | None = None
    request_id: str


class ErrorBody(BaseModel):
    """The one shape of every error."""

    model_config = _example(
        error={
            "code": "not_found",
            "message": "There is nothing here",
            "hint": "/v1/openapi.json lists what there is",
            "request_id": "b14ecb64c0564ebdbcbde73b786de6e1",
        }
    )

    error: ErrorDetail


class RunOut(BaseModel):
    """A night's run as your district sees it: the counts are of your students."""

    model_config = _example(
        run_id=RUN_ID,
        as_of="2026-02-27",
        published_at=PUBLISHED,
        is_current=True,
        model_version="rules-4f2a9c0d71be",
        students=812,
        tier_1=731,
        tier_2=58,
        tier_3=14,
        not_enough_data=9,
    )

    run_id: str
    as_of: date
    published_at: datetime
    is_current: bool = Field(description="Whether the scores at /v1/scores are of this run.")
    model_version: str = Field(description="`rules-...` where published rules decided and no trained model.")
    students: int
    tier_1: int
    tier_2: int
    tier_3: int
    not_enough_data: int


class RunsOut(BaseModel):
    """The runs of your district, newest first."""

    runs: list[RunOut]


class ScoreOut(BaseModel):
    """The current score of one student."""

    model_config = _example(
        ref=REF,
        student_id="0001234",
        school_id="017",
        grade_level="9",
        tier=2,
        tier_reason="Tier 2: Attendance Works: Missed 14 of 110 school days this year (12.7 %)",
        list_place=17,
        abstained=False,
        risk=None,
        risk_low=None,
        risk_high=None,
        days_enrolled=110,
        model_version="rules-4f2a9c0d71be",
        changed_at=PUBLISHED,
    )

    ref: Hex32 = Field(description="Names the student in addresses; it stays the same from night to night.")
    student_id: str
    school_id: str
    grade_level: str | None
    tier: Literal[1, 2, 3] | None = Field(description="Null where there was not enough data.")
    tier_reason: str = Field(description="The rule or model that put the student there, or what is missing.")
    list_place: int | None = Field(description="The place in the school, 1 first, where rule or model ask Tier 3 or 2.")
    abstained: bool = Field(description="True where there was not enough data.")
    risk: float | None = Field(
        description="A calibrated probability of the model's label; null in a night by rules and without enough data."
    )
    risk_low: float | None = Field(description="How low the risk may be, with 95 % confidence; null without a risk.")
    risk_high: float | None = Field(description="How high the risk may be, with 95 % confidence; null without a risk.")
    days_enrolled: int
    model_version: str
    changed_at: datetime = Field(description="Since when tier and tier_reason are what they are.")


class ScoresOut(BaseModel):
    """A page of the current scores, in the order of `ref`."""

    run_id: str | None = Field(description="Null while no night was published.")
    as_of: date | None
    published_at: datetime | None = Field(description="Send this as `since` next time: it misses no change.")
    scores: list[ScoreOut]
    next_cursor: Hex32 | None = Field(description="Send this as `cursor` for the next page; null on the last.")


class ReasonOut(BaseModel):
    """One reason or strength in plain words."""

    model_config = _example(
        rank=1,
        domain="attendance",
        indicator="absence_rate_ytd",
        value=0.127,
        sentence="Missed 14 of 110 school days this year (12.7 %); 10 % or more is chronic absence",
    )

    rank: int
    domain: str
    indicator: str
    value: float | None
    sentence: str


class StudentReasonsOut(BaseModel):
    """Why a student stands where the score says, and what speaks for the student."""

    run_id: str
    as_of: date
    score: ScoreOut
    reasons: list[ReasonOut]
    strengths: list[ReasonOut]
    unknown: list[ReasonOut] = Field(description="What the records do not tell; never a reason against a student.")


class NightIn(BaseModel):
    """A night to run: a source by the name it has in the settings, and the as-of date."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"source": "lakeview", "as_of": "2026-02-27"}]},
    )

    source: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
    as_of: Annotated[date, _written_as(DAY)]


class NightOut(BaseModel):
    """A night that was asked for. Its id survives a restart of the service."""

    model_config = _example(
        job_id=JOB_ID,
        source="lakeview",
        as_of="2026-02-27",
        status="done",
        created_at="2026-02-28T05:10:00Z",
        started_at="2026-02-28T05:10:00.1Z",
        finished_at=PUBLISHED,
        run_id=RUN_ID,
        error_code=None,
        error_message=None,
    )

    job_id: Hex32
    source: str
    as_of: date | None
    status: Literal["queued", "running", "done", "failed", "interrupted"]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_id: str | None
    error_code: str | None
    error_message: str | None


class HealthOut(BaseModel):
    """That the service and its database answer."""

    model_config = _example(status="ok", version="0.1.0")

    status: Literal["ok"]
    version: str


Since = Annotated[
    Annotated[AwareDatetime, _written_as(MOMENT)] | None,
    Field(description="Only scores whose tier or tier_reason changed at or after this moment, with a time zone."),
]
