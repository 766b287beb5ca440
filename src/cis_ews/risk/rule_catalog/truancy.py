"""Washington's truancy ladder, chapter 28A.225 RCW: what the law asks of a school, versioned by date.

Information for the people who support a family: no rule here puts a student into a tier, and the program never starts,
proposes or prepares a step before a court.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from cis_ews.risk.rule_catalog.parts import K_TO_12
from cis_ews.risk.rule_terms import AllOf, AnyOf, Condition, Evidence, FlagRule, Is, Level, Number, OneOf, RuleKind


class Text(NamedTuple):
    """A version of the law: the first and the last as-of date to which it applies, and how well it is known."""

    since: date | None
    until: date | None
    evidence: Evidence


ANY_DATE = Text(None, None, Evidence.PRIMARY)
SINCE_2021 = Text(date(2021, 7, 25), None, Evidence.PRIMARY)
UNTIL_2021 = Text(None, date(2021, 7, 24), Evidence.RECALLED)
OLDER_TEXT = "the text before chapter 119, Laws of 2021, which took effect on July 25, 2021"
THIS_MONTH = "full_days_unexcused_this_month"
WORST_MONTH = "full_days_unexcused_month_max"
THIS_YEAR = "full_days_unexcused_ytd"


def _duty(
    name: str,
    *,
    title: str,
    section: str,
    window: str,
    when: Condition,
    asks: str,
    text: Text = ANY_DATE,
    note: str | None = None,
) -> FlagRule:
    return FlagRule(
        name=name,
        title=title,
        authority="State of Washington",
        source=section,
        evidence=text.evidence,
        kind=RuleKind.DUTY,
        grades=K_TO_12,
        window=window,
        levels=(Level(concern=1, when=when, sentence=f"{{facts}}; {asks}"),),
        effective_from=text.since,
        effective_to=text.until,
        note=note,
    )


def _between(first: int, before: int) -> Condition:
    return AllOf((Number(THIS_YEAR, ">=", first), Number(THIS_YEAR, "<", before)))


MIDDLE_OR_HIGH = OneOf("school_level", ("middle", "high"))
ASKS_STEPS = "the school looks at the reasons with the family and tries steps that help"
ASKS_ASSESSMENT = "the school listens to the student with an assessment such as WARNS"
ASKS_AGREEMENT = "the school and the family agree on a plan, or meet with a community engagement board"
ASKS_PLAN_FIRST = "the law sets a limit here; a talk with the family and a plan come first"

TRUANCY_RULES = (
    # The last rung first: of rules that speak of the same days, the first gives the reason.
    _duty(
        "truancy_limit",
        title="Limit set by law",
        section="RCW 28A.225.030(1)",
        window="any calendar month, and the school year",
        when=AllOf((Is("age_under_17"), AnyOf((Number(WORST_MONTH, ">=", 7), Number(THIS_YEAR, ">=", 15))))),
        asks=ASKS_PLAN_FIRST,
        text=SINCE_2021,
        note="after the 7th day in a month and not later than the 15th in the year the law names a petition; age is "
        "no indicator, so the rule abstains where the counts are reached. A bill of 2025-26 may end petitions (R)",
    ),
    _duty(
        "truancy_agreement",
        title="Agree on a plan",
        section="RCW 28A.225.030(2)",
        window="any calendar month of the school year",
        when=Number(WORST_MONTH, ">=", 7),
        asks=ASKS_AGREEMENT,
        text=SINCE_2021,
        note="due not later than the 7th day",
    ),
    _duty(
        "truancy_assessment",
        title="Listen to the student",
        section="RCW 28A.225.020(1)(c)(i)",
        window="after the 2nd and before the 7th day of the school year",
        when=AllOf((MIDDLE_OR_HIGH, _between(2, 7))),
        asks=ASKS_ASSESSMENT,
        text=SINCE_2021,
        note="middle and high schools",
    ),
    _duty(
        "truancy_steps",
        title="Steps that help",
        section="RCW 28A.225.020(1)(c)",
        window="after the 2nd and before the 7th day of the school year",
        when=_between(2, 7),
        asks=ASKS_STEPS,
        text=SINCE_2021,
    ),
    _duty(
        "truancy_conference",
        title="Meet with the family",
        section="RCW 28A.225.020(1)(b)",
        window="any calendar month of the school year",
        when=Number(WORST_MONTH, ">=", 3),
        asks="the school meets with the family to learn why",
    ),
    _duty(
        "truancy_notice",
        title="Tell the family",
        section="RCW 28A.225.020(1)(a)",
        window="calendar month of the as-of date",
        when=Number(THIS_MONTH, ">=", 1),
        asks="the school lets the family know",
    ),
    _duty(
        "truancy_ages_6_and_7",
        title="Children of 6 and 7",
        section="RCW 28A.225.015",
        window="calendar month of the as-of date",
        when=AllOf((Is("age_6_or_7"), Number(THIS_MONTH, ">=", 1))),
        asks="for a child of 6 or 7 who is enrolled, a section of its own applies",
        note="age is no indicator, so the rule abstains where there is an unexcused day",
    ),
    _duty(
        "truancy_barriers",
        title="Look for barriers",
        section="RCW 28A.225.018",
        window="any calendar month, and the school year; excused days, elementary schools",
        when=AllOf(
            (
                OneOf("school_level", ("elementary",)),
                AnyOf((Number("full_days_excused_month_max", ">=", 5), Number("full_days_excused_ytd", ">=", 10))),
            )
        ),
        asks="the school and the family look for what stands in the way",
        note="waived by a doctor's note or prior notice with a plan; where there is an IEP or 504 plan, its team meets",
    ),
    _duty(
        "truancy_limit_before_2021",
        title="Limit set by law",
        section=f"RCW 28A.225.030(1), {OLDER_TEXT}",
        window="any calendar month, and the school year",
        when=AllOf((Is("age_under_17"), AnyOf((Number(WORST_MONTH, ">=", 7), Number(THIS_YEAR, ">=", 10))))),
        asks=ASKS_PLAN_FIRST,
        text=UNTIL_2021,
        note="not later than the 7th day in a month or the 10th in the year (final bill report, ESHB 1113)",
    ),
    _duty(
        "truancy_agreement_before_2021",
        title="Agree on a plan",
        section=f"RCW 28A.225.030(2), {OLDER_TEXT}",
        window="any calendar month of the school year",
        when=Number(WORST_MONTH, ">=", 5),
        asks=ASKS_AGREEMENT,
        text=UNTIL_2021,
    ),
    _duty(
        "truancy_assessment_before_2021",
        title="Listen to the student",
        section=f"RCW 28A.225.020(1)(c)(i), {OLDER_TEXT}",
        window="after the 2nd and before the 5th day of the school year",
        when=AllOf((MIDDLE_OR_HIGH, _between(2, 5))),
        asks=ASKS_ASSESSMENT,
        text=UNTIL_2021,
        note="middle and high schools",
    ),
    _duty(
        "truancy_steps_before_2021",
        title="Steps that help",
        section=f"RCW 28A.225.020(1)(c), {OLDER_TEXT}",
        window="after the 2nd and before the 5th day of the school year",
        when=_between(2, 5),
        asks=ASKS_STEPS,
        text=UNTIL_2021,
    ),
)
