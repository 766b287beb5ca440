"""Published behavior rules."""

from __future__ import annotations

from cis_ews.risk.rule_catalog.parts import (
    HIGH_SCHOOL,
    K_TO_8,
    SUSPENDED,
    SUSPENDED_IN_OR_OUT_OF_SCHOOL,
    TRANSITION_GRADES,
)
from cis_ews.risk.rule_terms import AllOf, AnyOf, Condition, Evidence, FlagRule, Level, Number

YEAR_TO_DATE = "school year to date"


def _excluded_this_term() -> Condition:
    """A suspension this year, and days of exclusion in this term: the first 20 days, after day 45 the last 45."""
    first_days = AllOf((Number("days_enrolled_ytd", "<", 45), Number("exclusion_days_first_20", ">", 0)))
    last_days = AllOf((Number("days_enrolled_ytd", ">=", 45), Number("exclusion_days_last_45", ">", 0)))
    return AllOf((SUSPENDED_IN_OR_OUT_OF_SCHOOL, AnyOf((first_days, last_days))))


BEHAVIOR_RULES = (
    FlagRule(
        name="pasco_cis_referral",
        title="Referral to Communities In Schools",
        authority="Pasco School District",
        source="Pasco School District No. 1, referral to Communities In Schools (psd1.org/Page/9860)",
        evidence=Evidence.PRIMARY,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                name="tier_2",
                concern=2,
                when=AnyOf(
                    (
                        Number("incidents_major_ytd", ">=", 2),
                        Number("incidents_minor_ytd", ">=", 6),
                        AllOf((Number("incidents_major_ytd", ">=", 1), Number("incidents_minor_ytd", ">=", 3))),
                    )
                ),
                sentence="{facts}; this is when the site coordinator is asked to meet the student",
            ),
        ),
        note="staff and parents may refer directly, whatever the numbers",
    ),
    FlagRule(
        name="ewims_suspension",
        title="Suspension in high school",
        authority="National High School Center",
        source="EWIMS, high school tool: suspensions; the number is set locally",
        evidence=Evidence.SECONDARY,
        grades=HIGH_SCHOOL,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                concern=2,
                when=SUSPENDED,
                sentence="Was suspended {suspensions_ytd:time|times} this year; EWIMS looks closer from the first one",
            ),
        ),
        note="one suspension is taken where the source leaves the number to the district",
    ),
    FlagRule(
        name="michigan_suspension",
        title="Suspension this term",
        authority="Michigan MTSS Technical Assistance Center",
        source="MiMTSS, early warning indicators (mimtsstac.org): any suspension, per term, never carried over",
        evidence=Evidence.PRIMARY,
        window="first 20 school days until day 45; from then on the last 45 school days, about one term",
        levels=(Level(concern=2, when=_excluded_this_term(), sentence="{facts}; any suspension asks for support"),),
        note="read as a suspension this year and days of exclusion within the term",
    ),
    FlagRule(
        name="diplomas_now_suspension",
        title="Suspension in a transition grade",
        authority="Diplomas Now",
        source="Diplomas Now early warning indicators: 3 or more days suspended or expelled",
        evidence=Evidence.SECONDARY,
        grades=TRANSITION_GRADES,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                concern=2,
                when=Number("out_of_school_days_ytd", ">=", 3),
                sentence="Was suspended from school for {out_of_school_days_ytd:day|days} this year; in grades 6 and "
                "9, 3 or more asks for a plan",
            ),
        ),
        note="transition grades are read as grades 6 and 9",
    ),
    FlagRule(
        name="local_referrals",
        title="Incidents, local tables",
        authority="District tables",
        source="District multi-tier tables, grades K-8: major incidents 2-5 and 6 or more, minor 4-10 and 11 or more",
        evidence=Evidence.SECONDARY,
        grades=K_TO_8,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                name="tier_3",
                concern=3,
                when=AnyOf((Number("incidents_major_ytd", ">=", 6), Number("incidents_minor_ytd", ">=", 11))),
                sentence="{facts}; local tables advise one-on-one support",
            ),
            Level(
                name="tier_2",
                concern=2,
                when=AnyOf((Number("incidents_major_ytd", ">=", 2), Number("incidents_minor_ytd", ">=", 4))),
                sentence="{facts}; local tables advise targeted support",
            ),
        ),
    ),
    FlagRule(
        name="local_suspensions",
        title="Suspensions, local tables",
        authority="District tables",
        source="District multi-tier tables, grades K-8: 1 suspension, and 2 or more",
        evidence=Evidence.SECONDARY,
        grades=K_TO_8,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                name="tier_3",
                concern=3,
                when=Number("suspensions_ytd", ">=", 2),
                sentence="Was suspended {suspensions_ytd:time|times} this year; local tables advise one-on-one support "
                "from 2 on",
            ),
            Level(
                name="tier_2",
                concern=2,
                when=SUSPENDED,
                sentence="Was suspended {suspensions_ytd:time|times} this year; local tables advise targeted support",
            ),
        ),
    ),
)
