"""Small random districts for labels: three school years, ways of leaving and coming back, schools that end early."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import strategies as st

from tests.lib.builders import Row, enrollment, reported, weekdays
from tests.lib.random_districts import LAST_YEAR, LENGTH, SCHOOLS, SEASONS, WITHOUT, Maker, Night

EXITS = (None, "transfer", "transfer", "dropped_out", "dropped_out", "graduated", "other")
NEXT_GRADES = {"K": "1", "5": "6", "8": "9", "9": "10", "10": "11", "11": "12"}


@dataclass(frozen=True, slots=True)
class YearsMaker(Maker):
    """A district whose students leave in every way, and of which the next year is known too."""

    @property
    def next_year(self) -> tuple[date, date]:
        return self.last + timedelta(days=17), self.last + timedelta(days=60)

    def calendar(self) -> list[Row]:
        """That of the indicators, with the next year; some schools end a week or two before the others."""
        ends = {each: self.last - timedelta(days=self.dice.choice([0, 0, 7, 14])) for each in SCHOOLS}
        # Not `super()`: a dataclass with slots is another class than the one that was written.
        rows = [row for row in Maker.calendar(self) if row["date"] <= ends[row["school_id"]]]
        begins, stops = self.next_year
        for each in self.dice.sample(SCHOOLS, self.dice.choice([0, 3, 3])):
            rows += weekdays(begins, stops, school=each, school_year=2027)
        return rows

    def spells(self, student_id: str) -> Iterator[Row]:
        """Those of the indicators, ended in some way, and mostly one of the next year."""
        drawn = list(Maker.spells(self, student_id))
        for row in drawn:
            if row["exit_date"] is not None or self.maybe(0.3):
                row |= {"exit_date": row["exit_date"] or self.last, "exit_type": self.dice.choice(EXITS)}
            yield row
        if drawn and self.maybe(0.6):
            entry = self.date_within(*self.next_year)
            grade = NEXT_GRADES.get(drawn[-1]["grade_level"], drawn[-1]["grade_level"])
            leaves = self.date_within(entry, self.next_year[1]) if self.maybe(0.3) else None
            how = None if leaves is None else self.dice.choice(EXITS)
            where = self.dice.choice(SCHOOLS)
            yield enrollment(student_id, where, entry, exit=leaves, grade=grade, school_year=2027, exit_type=how)

    def reporting(self) -> Iterator[Row]:
        """Mostly through the year; some schools stop before its end, some say nothing."""
        for each in self.dice.sample(SCHOOLS, self.dice.randint(1, 3)):
            yield reported(
                self.dice.choice([self.next_year[1], self.next_year[1], self.last, self.dice.choice(self.dates)]), each
            )


@st.composite
def years(draw: st.DrawFn) -> Night:
    """A district, and a date of which labels are asked: in this year, in the year before, or in a summer."""
    maker = YearsMaker(random.Random(draw(st.integers(0, 2**32 - 1))), draw(st.sampled_from(SEASONS)))
    this_year = st.integers(0, LENGTH.days + 20).map(lambda after: maker.first + timedelta(days=after))
    last_year = st.integers(0, 30).map(lambda after: LAST_YEAR[0] + timedelta(days=after))
    as_of = draw(st.one_of(this_year, this_year, this_year, last_year))
    return Night(maker.tables(draw(st.sampled_from(WITHOUT))), as_of)
