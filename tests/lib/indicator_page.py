"""The page of indicators, rendered from catalog and cases: `python -m tests.lib.indicator_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cis_ews.enums import Domain
from cis_ews.indicators import INDICATORS, Indicator
from cis_ews.indicators.coursework import (
    FAILING_MARKS,
    INCOMPLETE_MARKS,
    NEAR_FAILING_MARKS,
    PASSING_MARKS,
    WITHDRAWN_MARKS,
)
from tests.lib.day_rows import LEGEND
from tests.lib.indicator_cases import DAY_CASES, MARK_CASES, DayCase, MarkCase

PAGE = Path(__file__).parents[2] / "docs" / "indicators.md"
TITLES = {
    Domain.CONTEXT: "The student and the enrollment",
    Domain.ATTENDANCE: "Attendance",
    Domain.BEHAVIOR: "Behavior",
    Domain.COURSEWORK: "Coursework",
}
INTRODUCTION = """# Indicators

Made from the catalog (`cis_ews.indicators.catalog`) and from worked examples that are tests, by
`python -m tests.lib.indicator_page`; a test fails when the page is stale.

`compute_indicators(school_data, as_of)` returns one row a student who was enrolled in the school year of the as-of date
by then, sorted by `student_id`.

- **Days** are the student's own instructional days: enrollment times calendar, never a count of events. They are
  numbered 1, 2, 3, ... through the school year, across weekends, holidays and transfers; "the last 20 days" are the 20
  highest numbers. Where a student is enrolled in several schools at once, a day belongs to the school entered last,
  then to the lowest school id, and is missed once: by the largest part recorded that day. An event on a day that is no
  school day of that school is not counted.
- **Attendance ends where reporting ends**: days count up to the last day that the school has reported. Where the source
  does not say, they count up to the as-of date. Behavior counts up to the as-of date.
- **Nothing dated after the as-of date counts**: no event, no entry, no exit (a student who leaves next week is
  enrolled), no grade. Planned calendar days serve only to tell when a term ends: a grade without a date is known then.
- **Null is not zero.** Where the extract does not cover a domain, its indicators are null; where it covers the domain
  and nothing happened, they are zero. A year before this one without a single record of a domain is not covered.
  Without disciplinary actions, what is counted in actions is null, and incidents are not. The column "null when" says
  what else leaves no value.
- **Last year** comes from its own records; what these leave null is filled from its summary in `student_years`, value
  by value, once that year is over in every school of the calendar.
- **Exact.** Parts of days are summed in whole numbers (25,200 to a day: halves to tenths, twelfths, hundredths), marks
  and credits in ten-thousandths. The same data give the same numbers to the last bit, in any order of rows. A cut-off
  that has to be exact compares `absent_parts_...` with days times 25,200.
- **Any part of the students** can be computed alone, with all their history, the whole calendar and the whole coverage
  statement; a part of the schools cannot, for history follows the child.
"""


def render_page() -> str:
    """The whole page."""
    return "\n".join([*_introduction(), *_examples(), *_tables()]) + "\n"


def _introduction() -> Iterator[str]:
    yield INTRODUCTION


def _examples() -> Iterator[str]:
    yield "## Examples: days in, numbers out\n"
    yield "One mark a weekday, the first one Monday, 1 September 2025; `/` parts weeks, `*20` repeats a mark.\n"
    yield from (f"- `{mark}` {meaning}" for mark, meaning in LEGEND.items())
    yield from (line for case in DAY_CASES for line in _day_case(case))
    yield "\n## Examples: marks in, numbers out\n"
    yield "S1 ends on 30 January, S2 on 12 June. A term in brackets holds marks that are not final.\n"
    yield from (line for case in MARK_CASES for line in _mark_case(case))


def _day_case(case: DayCase) -> Iterator[str]:
    yield f"\n### {case.title}\n"
    yield f"    {case.days}\n"
    yield from _expected(case.expected, case.why)


def _mark_case(case: MarkCase) -> Iterator[str]:
    yield f"\n### {case.title}\n"
    yield f"Grade {case.grade_level}, on {case.as_of}.\n"
    yield "| course | subject | term | mark | percent | points | credits | graded on |"
    yield "|---|---|---|---|---|---|---|---|"
    for line in case.marks.strip().splitlines():
        yield f"| {' | '.join(cell.strip() for cell in line.split('|'))} |"
    yield ""
    yield from _expected(case.expected, case.why)


def _expected(expected: dict[str, object], why: str) -> Iterator[str]:
    yield ", ".join(f"`{name}` {_value(value)}" for name, value in expected.items()) + "."
    if why:
        yield f"\n{why}"


def _value(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _tables() -> Iterator[str]:
    yield "\n## Every indicator"
    for domain, title in TITLES.items():
        yield f"\n### {title}\n"
        yield "| indicator | unit | window | definition | null when | source |"
        yield "|---|---|---|---|---|---|"
        yield from (_row(each) for each in INDICATORS if each.domain == domain)
        if domain == Domain.COURSEWORK:
            yield from _words()


def _row(indicator: Indicator) -> str:
    name = f"`{indicator.name}` {indicator.dtype.__class__.__name__}"
    cells = (name, indicator.unit, indicator.window, indicator.definition, indicator.null_when, indicator.source)
    return f"| {' | '.join(cells)} |"


def _words() -> Iterator[str]:
    yield f"\nFailing marks: {', '.join(FAILING_MARKS)}. Near-failing marks: {', '.join(NEAR_FAILING_MARKS)}."
    yield f"Incomplete: {', '.join(INCOMPLETE_MARKS)}. Withdrawn: {', '.join(WITHDRAWN_MARKS)}. Capitals and spaces do"
    yield f"not matter. Passing: {', '.join(PASSING_MARKS)}. Another word is no grade, and the percent decides."


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
