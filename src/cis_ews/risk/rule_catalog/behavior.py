"""Published behavior rules."""

from __future__ import annotations

from cis_ews.enums import Domain
from cis_ews.risk.rule_terms import AllOf, AnyOf, Evidence, FlagRule, Level, Number

BEHAVIOR_RULES: tuple[FlagRule, ...] = (
    FlagRule(
        name="pasco_cis_referral",
        title="Referral to Communities In Schools",
        authority="Pasco School District 1",
        source="Pasco School District 1, psd1.org/Page/9860, referral to Communities In Schools",
        evidence=Evidence.PRIMARY,
        domain=Domain.BEHAVIOR,
        window="school year to date",
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
                sentence="{facts}: time to refer to the site coordinator",
            ),
        ),
        note="staff and parents may refer directly, whatever the numbers",
    ),
)
