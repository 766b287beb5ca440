"""Washington-like school calendars: early September to mid June, 180 instructional days, holidays, terms.

All districts share one axis of weekdays a school year, so that a student who changes districts keeps one row of days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from cis_ews.synthetic.plan import Array, Plan, Stream

INSTRUCTIONAL_DAYS = 180
MONTHS = 10
TERM_LETTERS = {2: "S", 3: "T", 4: "Q"}


@dataclass(frozen=True, slots=True, kw_only=True)
class YearCalendar:
    """One school year of every district; D weekdays on the axis.

    `days`: D dates. `weekday`: 0 is Monday. `month`: 0 is September (and the last days of August), 9 is June.
    `instructional`: districts x D. `number`: instructional days so far, districts x D. `first`, `last`: index of the
    first and last instructional day of each district.
    """

    school_year: int
    days: Array
    weekday: Array
    month: Array
    instructional: Array
    number: Array
    first: Array
    last: Array

    def term_of_days(self, terms: int) -> Array:
        """Index of the term (0 is the first) of each district's days where a year has so many terms: districts x D."""
        return (np.maximum(self.number, 1) - 1) * terms // INSTRUCTIONAL_DAYS

    def term_ends(self, terms: int) -> Array:
        """Index of the last instructional day of each term: districts x terms."""
        numbers = (np.arange(terms) + 1) * INSTRUCTIONAL_DAYS // terms
        return np.stack([np.searchsorted(row, numbers) for row in self.number])


def make_calendar(plan: Plan, school_year: int) -> YearCalendar:
    """The calendars of all districts for one school year."""
    days = _weekdays(school_year)
    instructional = np.stack(
        [_instructional(plan.generator(Stream.CALENDAR, index, school_year), days) for index in range(plan.districts)]
    )
    return YearCalendar(
        school_year=school_year,
        days=days,
        weekday=_weekday(days),
        month=_month_of_year(days),
        instructional=instructional,
        number=np.cumsum(instructional, axis=1, dtype=np.int16),
        first=np.argmax(instructional, axis=1),
        last=days.size - 1 - np.argmax(instructional[:, ::-1], axis=1),
    )


def _weekdays(school_year: int) -> Array:
    days = np.arange(np.datetime64(f"{school_year - 1}-08-25"), np.datetime64(f"{school_year}-07-04"))
    return days[_weekday(days) < 5]


def _month_of_year(days: Array) -> Array:
    """0 from late August to the end of September, 9 in June and the first days of July."""
    since_september = (days.astype("datetime64[M]").astype(int) + 4) % 12
    return np.where(since_september == 11, 0, np.minimum(since_september, MONTHS - 1))


def _weekday(days: Array) -> Array:
    return (days.astype(int) + 3) % 7  # 1970-01-01 was a Thursday


def _instructional(rng: np.random.Generator, days: Array) -> Array:
    """The first 180 weekdays from the district's first day on that are no day off."""
    school_year = int(days[-1].astype("datetime64[Y]").astype(int)) + 1970
    first = np.datetime64(date(school_year - 1, 9, 1 + int(rng.integers(0, 8))))
    open_days = (days >= first) & ~np.isin(days, np.array(_days_off(rng, school_year), dtype="datetime64[D]"))
    return open_days & (np.cumsum(open_days) <= INSTRUCTIONAL_DAYS)


def _days_off(rng: np.random.Generator, school_year: int) -> list[date]:
    """Holidays, breaks, teachers' days and a snow day or two."""
    fall, spring = school_year - 1, school_year
    thanksgiving = _nth(fall, 11, weekday=3, n=4)
    presidents = _nth(spring, 2, weekday=0, n=3)
    winter = date(fall, 12, 24) - timedelta(days=date(fall, 12, 24).weekday())
    break_starts = _nth(spring, 4, weekday=0, n=1) - timedelta(days=7 * int(rng.integers(0, 2)))
    fixed = [_nth(fall, 9, weekday=0, n=1), date(fall, 11, 11), thanksgiving, thanksgiving + timedelta(days=1)]
    fixed += [_nth(spring, 1, weekday=0, n=3), presidents, _last_monday_of_may(spring), date(spring, 6, 19)]
    teachers = [_nth(fall, 10, weekday=4, n=2), _nth(spring, 3, weekday=4, n=2)][: int(rng.integers(1, 3))]
    snow = [date(spring, 1, 5) + timedelta(days=int(day)) for day in rng.integers(0, 45, int(rng.integers(0, 3)))]
    midwinter = _span(presidents, 5) if rng.random() < 0.4 else []
    return [*fixed, *teachers, *snow, *midwinter, *_span(winter, 12), *_span(break_starts, 5)]


def _nth(year: int, month: int, *, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())


def _span(first: date, length: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(length)]
