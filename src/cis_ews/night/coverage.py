"""What the source of a night can speak of, as the run states it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from cis_ews.night.passes import Measured
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.freshness import notes_of_the_day, school_days_so_far, schools_of
from cis_ews.schema.school_data import SchoolData


def coverage_statement(
    school_data: SchoolData, as_of: date, *, policy: TierPolicy, parts: Sequence[Measured]
) -> dict[str, object]:
    """What the source can speak of on that date, and how many of its rows a night as of that date ignores."""
    later: Counter[str] = Counter()
    for part in parts:
        later.update(part.rows_after)
    in_use = {school for part in parts for school in part.schools}
    notes = [
        *school_data.coverage.notes,
        *notes_of_the_day(school_data.calendar_days, as_of, schools=in_use),
        *_capacity_notes(school_data, policy),
    ]
    coverage = school_data.coverage
    said = {"rows_read": dict(school_data.rows_read), "rows_reduced": dict(school_data.rows_reduced)}
    days = school_days_so_far(school_data.calendar_days, as_of, reported=coverage.reported)
    said |= {"school_days": days, "schools": schools_of(school_data.schools)}
    return {**coverage.to_dict(), **said, "notes": notes, "rows_after_as_of": dict(later)}


def _capacity_notes(school_data: SchoolData, policy: TierPolicy) -> list[str]:
    """Schools that the policy names and the extract does not have: most likely mistyped."""
    unknown = sorted(set(policy.capacity_by_school) - set(school_data.schools["school_id"]))
    return [f"the policy gives a capacity to schools that the extract does not have: {', '.join(unknown)}"] * bool(
        unknown
    )
