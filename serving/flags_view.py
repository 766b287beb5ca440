"""What the page shows, put together from stored results; nothing is computed here but words and dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from cis_ews.enums import GradeLevel
from cis_ews.errors import EwsError
from cis_ews.storage.database import FlagRow, RunRow
from cis_ews.storage.runs import open_run
from cis_ews.wording import BY_RULES, decided_by, model_notices
from serving.backend import Backend
from serving.missing import MissingSchools, missing_schools

LATE_DAYS = 4
"""From how many days on the page says that data are late: a long weekend is not."""
REASONS_SHOWN = 5
TIERS = (
    (3, "Intensive support", "Tier 3: start here. Find out what each student needs."),
    (2, "Targeted support", "Tier 2: a conversation soon, before it grows."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagView:
    """One student on the page. `listed_by`: the rule that decided, or what is missing."""

    name: str
    grade: str
    listed_by: str
    reasons: Sequence[str] = ()
    strengths: Sequence[str] = ()
    unknown: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The students of one tier."""

    anchor: str
    title: str
    lead: str
    flags: Sequence[FlagView]


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """A school to choose. `beyond_list`: for whom a rule asks Tier 2 or 3, and the list was full."""

    school_id: str
    name: str
    beyond_list: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsView:
    """The page. `is_known`: whether the school that was asked for is one of the district's."""

    schools: Sequence[School] = ()
    school_id: str = ""
    school_name: str = ""
    is_known: bool = True
    as_of: date | None = None
    reported: str = ""
    decided_by: str = BY_RULES
    notices: Sequence[str] = ()
    sections: Sequence[Section] = ()
    not_enough_data: Sequence[FlagView] = ()
    beyond_list: int = 0


def flags_view(backend: Backend, district_id: str, *, school_id: str | None, today: date | None = None) -> FlagsView:
    """Today's flags of a school of a district; of its first school if none is named or the name is not known."""
    database = backend.database
    runs = database.runs_of(district_id)
    run = next((run for run in runs if run.is_current), None)
    schools = [
        School(school_id=row.school_id, name=row.name or row.school_id, beyond_list=row.beyond_list)
        for row in database.schools_of(district_id)
    ]
    asked = next((school for school in schools if school.school_id == school_id), None)
    is_known = school_id is None or asked is not None
    if run is None or not schools:
        return FlagsView(is_known=is_known)
    school = asked or schools[0]
    flags = database.flags_of_school(district_id, school.school_id)
    listed = {school.school_id for school in schools}
    missing = missing_schools(backend, district_id, runs=runs, listed=listed)
    is_said = is_known or (missing is not None and school_id in missing.names)
    coverage = _statement(backend.store.root / run.path, "coverage")
    model = _statement(backend.store.root / run.path, "model") or _known_of_model(run)
    return FlagsView(
        schools=schools,
        school_id=school.school_id,
        school_name=school.name,
        is_known=is_known,
        as_of=run.as_of,
        reported=_reported(coverage, school.school_id),
        decided_by=decided_by(model),
        notices=[
            *model_notices(model),
            *_notices_of_missing(missing, asked=school_id),
            *_notices(run, coverage, school=school.school_id, is_known=is_said, today=today or date.today()),
        ],
        sections=_sections(flags),
        not_enough_data=[_flag(row) for row in flags if row.score.abstained],
        beyond_list=school.beyond_list,
    )


def day(moment: date) -> str:
    """A date as people say it: Friday, February 27, 2026."""
    return f"{moment:%A, %B} {moment.day}, {moment.year}"


def _sections(rows: Sequence[FlagRow]) -> list[Section]:
    by_tier = {tier: [_flag(row) for row in rows if row.score.tier == tier] for tier, *_ in TIERS}
    return [
        Section(anchor=f"tier-{tier}", title=title, lead=lead, flags=by_tier[tier])
        for tier, title, lead in TIERS
        if by_tier[tier]
    ]


def _flag(row: FlagRow) -> FlagView:
    name = " ".join(part for part in (row.first_name, row.last_name) if part)
    return FlagView(
        name=name or f"Student {row.score.student_id}",
        grade=_grade(row.score.grade_level),
        listed_by=_listed_by(row),
        reasons=[reason.sentence for reason in row.reasons[:REASONS_SHOWN]],
        strengths=[strength.sentence for strength in row.strengths[:REASONS_SHOWN]],
        unknown=[unknown.sentence for unknown in row.unknown],
    )


def _listed_by(row: FlagRow) -> str:
    """The rule that decided; its sentence is left to the reasons where it stands among them."""
    said = row.score.tier_reason.partition(": ")[2] or row.score.tier_reason
    for reason in row.reasons[:REASONS_SHOWN]:
        said = said.replace(f": {reason.sentence}", "")
    return said


def _grade(level: str | None) -> str:
    if level is None:
        return "Grade not known"
    return {GradeLevel.K.value: "Kindergarten", GradeLevel.PK.value: "Preschool"}.get(level, f"Grade {level}")


def _statement(run: Path, name: str) -> dict[str, Any]:
    """A statement of a run; empty where the run was taken away by retention, or is older than the statement."""
    try:
        return _stated(run, name)
    except EwsError:
        return {}


@lru_cache(maxsize=128)
def _stated(run: Path, name: str) -> dict[str, Any]:
    return open_run(run).statement(name)


def _known_of_model(run: RunRow) -> dict[str, Any]:
    kind = "rules" if run.model_version.startswith("rules-") else "trained"
    return {"kind": kind, "version": run.model_version}


def _reported_through(coverage: Mapping[str, Any], school_id: str) -> date | None:
    through = coverage.get("last_reported", {}).get(school_id)
    return date.fromisoformat(through) if through else None


def _reported(coverage: Mapping[str, Any], school_id: str) -> str:
    through = _reported_through(coverage, school_id)
    if through is None:
        return "Not stated by the source"
    return day(through) if coverage.get("reporting_known") else f"Not stated; the last entry is of {day(through)}"


def _notices_of_missing(missing: MissingSchools | None, *, asked: str | None) -> list[str]:
    """Which schools are not in the night; of the one that was asked for first."""
    if missing is None:
        return []
    named = ", ".join(missing.names.values())
    them = "It is" if len(missing.names) == 1 else "They are"
    said = (
        f"Missing from this night: {named}. {them} in the one of {day(missing.had_on)}; until the records come again, "
        "nobody there is listed. Ask whoever sends the records."
    )
    asked_for = [name for school, name in missing.names.items() if school == asked]
    return [*(f"{name} is missing from this night: this is the first other school." for name in asked_for), said]


def _notices(run: RunRow, coverage: Mapping[str, Any], *, school: str, is_known: bool, today: date) -> list[str]:
    through = _reported_through(coverage, school)
    old = (today - run.as_of).days
    notices = {
        "That school is not one of this district's: this is the first one.": not is_known,
        f"This list is {old} days old: no later night has been run.": old > LATE_DAYS,
        f"This school's attendance is entered through {through and day(through)}; later days are not in this list.": (
            through is not None and (run.as_of - through).days > LATE_DAYS
        ),
    }
    return [text for text, applies in notices.items() if applies]
