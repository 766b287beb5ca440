"""The page of the checks of a night, made from them: `python -m tests.lib.drift_page` writes docs/monitoring.md."""

from __future__ import annotations

from pathlib import Path

from cis_ews.cli.monitoring import FAULTY
from cis_ews.evaluation.drift import EARLIER, FACTOR, FEWEST_EARLIER, LAG, OLDEST
from cis_ews.evaluation.drift_checks import BY_CODE, CHECKS
from cis_ews.evaluation.drift_measures import COUNTS, FEWEST_MOVED, FEWEST_STUDENTS, TIMES, VALUES
from cis_ews.evaluation.shift import BINS
from cis_ews.evaluation.surprise import NORMAL_FROM

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"


def render_page() -> str:
    """The page."""
    rows = [
        f"| {check.code} | {check.title} | {check.severity} | {check.measure} | {check.least:g} | {check.what_to_do} |"
        for check in CHECKS
    ]
    names = [", ".join(f"`{name}`" for name in group) for group in (VALUES, COUNTS)]
    return f"""# Monitoring: is tonight like the nights before?

Made from the checks in `cis_ews.evaluation.drift_checks` by `python -m tests.lib.drift_page`; a test fails when the
page is stale.

    cis-ews score EXTRACT --as-of yesterday --out store
    cis-ews monitor --store store

A list that is made of wrong records looks like any other list. After each night `cis-ews monitor` holds every school
beside itself, names the schools where something changed that usually does not, and says what to do. It names no
student.

**Exit code.** 0: nothing, or warnings alone. {FAULTY}: an error among the findings (or, with `--strict`, any
finding): lists may be wrong today. 5: the store. `--json` writes one line a finding. Nothing is stored: the same
store says the same again ([ADR 19](adr/0019-drift-from-the-runs.md)).

## How it judges

1. **Beside what.** The newest night that is at least {LAG.days} and at most {OLDEST.days} days older, of the same
   school year. So a fault that came in on one night is told for a week.
   Where several districts share a store, each is held beside its own nights: those that scored students of its schools.
2. **What is usual.** The same is measured between the earlier nights of the store, up to {EARLIER} comparisons, all
   schools together. With fewer than {FEWEST_EARLIER} nothing is judged but `EWS011`, and the command says so.
3. **A finding** is a change that is at least {FACTOR:g} times what nine in ten of these changes stayed below, **and**
   at least as large as the column *least* below. Schools with fewer than {FEWEST_STUDENTS} students are not measured;
   at small schools an index has to be beyond chance too (one in a thousand), and a share has to be that of
   {FEWEST_MOVED} students at least.

Values that are compared (as {BINS} bins, fifths of the earlier night; the Jensen-Shannon distance is told beside the
index): {names[0]}, and the risk. Records that are counted, of students who stayed at the school, beside the school's
pace of the year so far: {names[1]}; "dried up" also asks for fewer than one in {TIMES:g} of those expected,
"multiplied" for more than {TIMES:g} times as many. That values come in, at the end of a term, is no fault; only that
they go.

These {len(VALUES)} values and {len(COUNTS)} counts, and not all features of a model: a feature is worked out from the
records of attendance, incidents and marks, of which each kind is watched here as near to the records as it can be; so a
finding names the school and what to ask it for, where forty features that moved together would name one fault forty
times. Each more index is another chance of a false alarm a night and school, and most features (slopes, days since,
comparisons with the school) are missing or of few values at many schools, where an index says little. What moves
features and none of these moves the risks of a school, which are watched themselves (`EWS007`). What such a watch can
miss: a feature that is wrong in a way that hardly moves risks.

School days are counted by each school's calendar, so that a holiday is none. How late a school reports is held beside
its own earlier nights (what nine in ten of them stayed within): a school that enters every week a week later is no
finding, in the week after a holiday neither. Calendars of schools may differ: more school days than the others had are
told only where they brought no more records than a holiday would.

## The checks

A code is never given to another check.

| code | what | severity | measure | least | what to do |
|---|---|---|---|---|---|
{chr(10).join(rows)}

`EWS012` is not part of the night: outcomes come later.

## Once outcomes are known

    cis-ews monitor --store store --as-of 2026-01-30 --outcomes EXTRACT_OF_JUNE

holds the risks of a past night (`--as-of`, or `--run` for its folder; else the newest) beside what came of it. The
outcome is the label that the run's model learned ([labels.md](labels.md)), as of the night's date, by an extract that
reaches the end of its horizon; an extract that does not is refused, with the day that it must reach. Left out, and
counted by reason: students whose label is not known; those who were supported after the night and before the outcome,
unless the model learned outcomes as recorded ([model.md](model.md)); those whom the later extract does not have.

Each school is judged with {FEWEST_STUDENTS} such students or more, and all together. Where the students of the schools
that are not judged are fewer than {FEWEST_STUDENTS}, those are left out of all together too: subtraction would tell of
them. Reasons of fewer than {FEWEST_STUDENTS} students are told together, and no number is told that would give them
away. A finding is {BY_CODE["EWS012"].least:g} deviations or more, and beyond chance for as many schools as are judged
(Bonferroni: at most one clean night in twenty errs). Where the sum of risk x (1 - risk) is less than {NORMAL_FROM:g},
as in nearly every school, no normal law holds so far out: the chance comes from every risk, and is told as the
deviation of a normal law that has it. Where fewer than {FEWEST_STUDENTS} had the outcome, or were spared, a finding
says so much alone; so does that of all together, where the schools whose numbers are told would leave so few of the
others.
It is a warning, so that the exit code is 0 without `--strict`. A night that rules alone decided has no risks: it
is named and passed over, and refused (4) where no other is left, as is an extract that knows none of its students (3).

## How often it is wrong

Measured on made-up districts of 1,200 students in four schools, a night a week from September to May (flagged there:
who missed a tenth of the days). Six years were for choosing: with *least* at 4 deviations for `EWS003`, 7 of 186
clean nights had a finding, the largest at 4.3; it was set to 5. The other *least* are conventions (a stability index
of .25) or what a coordinator would call a change. On six further years:

| times the usual | nights judged | nights with a finding |
|---|---|---|
| 1.5 | 186 | 0 |
| {FACTOR:g} | 186 | 0 |
| 4 | 186 | 0 |

Since school days are counted by calendars and how late a school usually is (`EWS001`, `EWS002`), three more years were
measured: 90 nights, one with a finding, of a school that was indeed two school days late that night.

With 95 % confidence fewer than one clean night in 60 has a finding (0 of 186); a district with more schools has more
chances. Those are nights by rules, which tell no risks. The exam judges a clean year by rules in `make test`, six of
them in `make test-long`, and a clean year by a trained model, each against one night in 60 by the binomial law. On
made-up schools *least* decides, and not the factor: it is there for districts whose records are less even than
made-up ones.

The exam (`tests/integration/test_drift_exam.py`) plants in one school: percents told as shares; a school that reports
no more, with and without a statement of how far it reports; an attendance code that now means another; every incident
twice under new ids; a holiday that the calendar counts as school days; and last night's extract once more. Each is
found, and no other school is named. With a trained model the risks of the school move too where its percents are told
as shares (`EWS007`). On the clean year 1 of 30 nights by a model that had learned from one school year alone had a
finding: the risks of one school had moved by .37 in a week, all others by .17 at most. A model of three years, asked
the same of another district's 31 nights, had none (.05 at most).

## What it cannot tell

- A slow change of all schools together: each is compared with itself a week ago.
- A fault that was there in the first nights of the year: it is what is usual.
- In a store of one school, that its calendar counts holidays as school days (`EWS002`). Where calendars differ and one
  school reports late, its further days, not reported yet, cannot be told from a holiday that is counted: it is named.
- Nights worked out one after the other from a single extract: each is told to be of an old one (`EWS011`).
- Summer, and the first five weeks of a school year.
- Compacted runs are passed over, since their indicators are not kept; where too few are left to judge, the command says
  how to bring them back. Damaged runs are passed over too, and named.
- A district without a night on the newest as-of date of the store: `--as-of` names its own.
- With `--outcomes`: whether the rest of the year is whole, where a calendar ends before the school year does; the label
  is then that of the days that the calendar has.
"""


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
