"""What speaks for a student, by the same engine: the other side of the published cut-offs."""

from __future__ import annotations

from cis_ews.enums import Domain
from cis_ews.risk.rule_catalog.parts import MINIMUM_DAYS, absent
from cis_ews.risk.rule_terms import AllOf, Condition, Evidence, FlagRule, Level, Number, RuleKind

LAST_20_KNOWN = Number("days_enrolled_last_20", ">=", 20)
ENOUGH_DAYS = Number("days_enrolled_ytd", ">=", MINIMUM_DAYS)


def _strength(
    name: str, *, title: str, domain: Domain, window: str, when: Condition, sentence: str, source: str
) -> FlagRule:
    return FlagRule(
        name=name,
        title=title,
        authority="this project",
        source=source,
        evidence=Evidence.OWN,
        domain=domain,
        window=window,
        levels=(Level(concern=0, when=when, sentence=sentence),),
        kind=RuleKind.STRENGTH,
    )


STRENGTH_RULES: tuple[FlagRule, ...] = (
    _strength(
        "attended_95_percent",
        title="Attended 95 % or more",
        domain=Domain.ATTENDANCE,
        window="school year to date, from 20 days enrolled",
        when=absent("ytd", "<=", 5),
        sentence="Came to school nearly every day: missed {days_absent_ytd} of {days_enrolled_ytd:day|days} this year",
        source="the other side of the satisfactory band (attendance_band)",
    ),
    _strength(
        "no_absence_lately",
        title="No absence in the last 20 days",
        domain=Domain.ATTENDANCE,
        window="last 20 school days",
        when=AllOf((LAST_20_KNOWN, Number("days_absent_last_20", "<=", 0))),
        sentence="Has not missed any of the last 20 school days",
        source="the window of the first-20-days rules, at its best",
    ),
)
