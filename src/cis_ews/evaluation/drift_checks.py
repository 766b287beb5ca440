"""The checks of a night: their codes, how grave each is, from where on a change matters, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How grave a finding is: `error`, lists may be wrong today; `warning`, somebody should look."""

    ERROR = "error"
    WARNING = "warning"


_LEAST_TOLD = 0.01
"""What is usual is told as this at least: "usually below 0.00" says nothing."""


_MOVED = "{then:.2f} on average then, {now:.2f} tonight; stability index {value:.2f}, usually below {usual:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. `code`: stable, never given to another check.

    `measure`: what is measured. `says`: a finding in words, with `now` and `then` of it, and `value` and `usual`, the
    measure tonight and what nine in ten earlier ones stayed below; `says_of_few` where `now` would tell of fewer than
    ten students. `least`: a change smaller than this is never found, however unusual it is.
    """

    code: str
    title: str
    severity: Severity
    measure: str
    says: str
    least: float
    what_to_do: str
    says_of_few: str = ""

    def sentence(self, *, value: float, usual: float, then: float | None, now: float | None) -> str:
        """A finding in words."""
        says = self.says if now is not None else self.says_of_few
        return says.format(value=value, usual=max(usual, _LEAST_TOLD), then=then, now=now)


CHECKS = (
    Check(
        code="EWS001",
        title="School days are missing",
        severity=Severity.ERROR,
        measure="school days held and not reported, beyond the school's own nine in ten nights and the other schools",
        says="{now:.0f} school days are not reported tonight; usually no more than {then:.0f} are not",
        least=2.0,
        what_to_do="ask the school when it last entered attendance; its students' lists are as old as that",
    ),
    Check(
        code="EWS002",
        title="School days are too many",
        severity=Severity.ERROR,
        measure="school days of its calendar since, without the usual records, less those of the other schools",
        says="{now:.0f} school days in its calendar since; usually as many as at other schools, {then:.0f}",
        least=2.0,
        what_to_do="look for holidays that the school's calendar counts as school days",
    ),
    Check(
        code="EWS003",
        title="Records have dried up",
        severity=Severity.ERROR,
        measure="deviations of the new records below those expected of the school, and fewer than a third of them",
        says="{now:.0f} new records; about {then:.0f} would be usual of the school",
        least=5.0,
        what_to_do="ask whether the school still enters them, and under the same codes: silence looks like a good week",
    ),
    Check(
        code="EWS004",
        title="Records have multiplied",
        severity=Severity.ERROR,
        measure="deviations of the new records above those expected of the school, and more than three times as many",
        says="{now:.0f} new records; about {then:.0f} would be usual of the school",
        least=5.0,
        what_to_do="look for records delivered twice under new ids, and for codes that now mean something else",
    ),
    Check(
        code="EWS005",
        title="Values have moved",
        severity=Severity.ERROR,
        measure="population stability index of the known values of an indicator at a school",
        says=_MOVED,
        least=0.25,
        what_to_do="compare a few values with the school's own screens: a changed unit or scale moves all of them",
    ),
    Check(
        code="EWS006",
        title="Values have gone missing",
        severity=Severity.WARNING,
        measure="growth of the share of students without a value of an indicator",
        says="{then:.0%} of the students had no value then, {now:.0%} tonight; usually {usual:.0%} more at most",
        least=0.05,
        what_to_do="ask whether a column, a subject or a term is absent from the extract",
    ),
    Check(
        code="EWS007",
        title="Risks have moved",
        severity=Severity.WARNING,
        measure="population stability index of the risks of a school's students",
        says=_MOVED,
        least=0.25,
        what_to_do="see which other finding explains it; where none does, see `cis-ews changes` and the model",
    ),
    Check(
        code="EWS008",
        title="The share of flags has moved",
        severity=Severity.WARNING,
        measure="change of the share of scored students in Tier 2 or 3",
        says="{then:.0%} of the students were flagged then, {now:.0%} tonight; usually it moves by {usual:.0%} at most",
        least=0.05,
        what_to_do="see `cis-ews changes` for who moved and why, and whether the policy was changed",
    ),
    Check(
        code="EWS009",
        title="Students have come or gone",
        severity=Severity.WARNING,
        measure="change of the number of scored students, as a share of those before",
        says="{then:.0f} students were scored then, {now:.0f} tonight; usually the number moves by {usual:.0%} at most",
        least=0.10,
        what_to_do="compare with the school's enrollment; a part of the extract may be missing, or there twice",
    ),
    Check(
        code="EWS010",
        title="More rows are rejected",
        severity=Severity.WARNING,
        measure="growth of the rejected share of a table's rows",
        says="{then:.1%} of the rows were rejected then, {now:.1%} tonight; usually {usual:.1%} more at most",
        least=0.01,
        what_to_do="see the rules that were broken: `cis-ews check` on the extract",
    ),
    Check(
        code="EWS011",
        title="The extract is an old one",
        severity=Severity.ERROR,
        measure="whether every file is the same as on an earlier as-of date",
        says="every file is the one of {now:.0f} days before; usually some file is new",
        least=1.0,
        what_to_do="see whether last night's export ran; the lists show what was known on the earlier date",
    ),
    Check(
        code="EWS012",
        title="Risks no longer mean what they say",
        severity=Severity.WARNING,
        measure="deviations between the students who had the outcome and those whom their risks announced",
        says="{then:.1%} were expected to have the outcome, {now:.1%} had; {value:.1f} deviations, usually {usual:.1f}",
        says_of_few="{then:.1%} were expected to have the outcome; what came of it is {value:.0f} deviations away or "
        "more, and told of no fewer than 10 students",
        least=3.0,
        what_to_do="train again with the newest outcomes, and look at the calibration on the model card",
    ),
)
BY_CODE = {check.code: check for check in CHECKS}
