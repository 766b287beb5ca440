"""Charts and rosters of the pages: what they draw and count, and what they do not tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from cis_ews.enums import CaseState
from cis_ews.evaluation.side_by_side import EVERY
from cis_ews.storage.database import SchoolRow
from cis_ews.storage.pages import GroupCount, RosterRow, SchoolPlace, StudentPage, TierChange
from serving.console.admin import days_old, late_schools
from serving.console.admin_lists import beginning_of
from serving.console.case_view import WORDS
from serving.console.charts import absence_trend, year_calendar
from serving.console.context import environment
from serving.console.network import rows_of_grades, rows_of_schools, told_by
from serving.console.roster import among, barriers, chosen_of, histograms, query_of
from serving.console.students import told
from serving.console.today import cut_at, days_late, order_of
from serving.errors import ApiError

MONDAY = date(2026, 1, 5)
COUNTS = ("students", "tier_2", "tier_3", "beyond_list", "not_enough_data")
WEEKS = [MONDAY + timedelta(days=7 * week + day) for week in range(4) for day in range(5)]


def _event(day: date, status: str = "unexcused", fraction: float = 1.0) -> dict[str, Any]:
    return {"date": day, "status": status, "fraction_absent": fraction}


def _row(ref: str, *, tier: int | None = 1, grade: str | None = "9", **changed: Any) -> RosterRow:
    values: dict[str, Any] = {
        "district_id": "d1",
        "ref": ref,
        "school_id": "north",
        "first_name": "A",
        "last_name": "B",
        "grade_level": grade,
        "tier": tier,
        "tier_reason": "no rule holds",
        "list_place": None,
        "changed_at": datetime(2026, 1, 1, tzinfo=UTC),
        "days_enrolled": 80,
        "risk": None,
        "risk_low": None,
        "risk_high": None,
        "days_absent": 0.0,
        "domains": frozenset(),
        "told": (),
    }
    return RosterRow(**(values | changed))


def test_the_calendar_ends_with_the_as_of_date_and_knows_each_kind() -> None:
    events = [_event(MONDAY), _event(WEEKS[1], "excused", 0.25), _event(WEEKS[2], "tardy", 0.1)]
    chart = year_calendar(WEEKS[:6], events)
    assert [cell.kind for cell in chart.cells] == ["unexcused", "part", "tardy", "present", "present", "present"]
    assert (chart.cells[5].x, chart.cells[5].y) == (chart.cells[0].x + 12, chart.cells[0].y)
    assert year_calendar([], events).cells == ()


def test_the_trend_counts_days_enrolled_and_no_tardy() -> None:
    events = [_event(WEEKS[0]), _event(WEEKS[11]), _event(WEEKS[12], "tardy", 0.5)]
    trend = absence_trend(WEEKS, events)
    assert trend is not None
    assert [share for _, share in trend.points] == pytest.approx([1 / 10, 2 / 15, 2 / 20])
    assert trend.scale == [(120.0, 0), (60.0, 25), (0.0, 50)]
    assert trend.last_y == 96.0  # one day in ten, of a scale up to one in two
    late = absence_trend(WEEKS[10:], events)
    assert late is not None
    assert late.points[-1] == (WEEKS[-1], 1 / 10)
    assert absence_trend(WEEKS[:9], events) is None


def test_supports_are_marked_where_they_began() -> None:
    supports = [{"category": "mentoring", "date": day} for day in (WEEKS[10], WEEKS[15])]
    trend = absence_trend(WEEKS, [], supports=supports)
    assert trend is not None
    assert [(day, category) for _, day, category in trend.marks] == [(WEEKS[10], "mentoring")]


def _changed(ref: str, before: int | None, now: int | None) -> tuple[RosterRow, TierChange]:
    names = {"run_id": "0" * 16, "as_of": MONDAY, "school_id": "north", "cause": None}
    return _row(ref, tier=now), TierChange(ref=ref, change="tier_moved", tier_before=before, tier_now=now, **names)


def test_today_has_who_is_on_the_list_first_and_a_full_list_leaves_room_for_who_is_resolved() -> None:
    mixed = [
        _changed("entered", None, 1),
        _changed("resolved", 2, 1),
        _changed("down", 3, 2),
        _changed("no data", 3, None),
        _changed("up", 2, 3),
        _changed("new", 1, 2),
    ]
    lines = sorted(mixed, key=order_of)
    assert [row.ref for row, _ in lines] == ["up", "new", "down", "resolved", "no data", "entered"]
    shown, left_out = cut_at(lines, 2)
    assert [row.ref for row, _ in shown] == ["up", "new", "resolved", "no data"]
    assert [row.ref for row, _ in left_out] == ["down", "entered"]
    assert cut_at([], 2) == ([], [])


def test_or_inside_a_filter_and_between_filters() -> None:
    rows = [_row("a", tier=3), _row("b", tier=2, grade="10"), _row("c", tier=None, grade=None), _row("d")]
    assert [row.ref for row in among(rows, chosen_of("tier=3&tier=2"))] == ["a", "b"]
    assert [row.ref for row in among(rows, chosen_of("tier=3&tier=2&grade=10"))] == ["b"]
    assert [row.ref for row in among(rows, chosen_of("grade=none&tier=none"))] == ["c"]
    counted = {bar.value: bar.count for bar in histograms(rows, chosen_of("grade=10"))["tier"]}
    assert counted == {"2": 1}


def test_an_address_says_the_same_choice_in_one_way() -> None:
    assert query_of(chosen_of("tier=2&x=1&grade=9&tier=3&tier=2")) == "grade=9&tier=2&tier=3"
    (bar,) = [bar for bar in histograms([_row("a", tier=3)], chosen_of("tier=3"))["tier"] if bar.value == "3"]
    assert (bar.is_on, bar.address) == (True, "?")


def _school(school: str = "north", *, reported_through: date | None = None) -> SchoolPlace:
    return SchoolPlace(
        district_id="d1",
        school_id=school,
        name=school.title(),
        level="high",
        capacity=10,
        reported_through=reported_through,
        as_of=WEEKS[-2],
        run_id="0" * 16,
        published_at=datetime(2026, 1, 30, tzinfo=UTC),
        ref="0" * 32,
    )


def _student(*, reported_through: date | None, entered: date) -> StudentPage:
    spell = {"school_id": "north", "entry_date": entered, "exit_date": None}
    return StudentPage(
        row=_row("a"),
        school=_school(reported_through=reported_through),
        records={"enrollments": [spell], "attendance_events": [_event(WEEKS[12])]},
        history=[],
        school_days=WEEKS,
        schools={"north": "North"},
        first_night=WEEKS[0],
    )


@pytest.mark.parametrize(
    ("reported_through", "school_days", "late"),
    [
        (None, WEEKS, 0),
        (WEEKS[17], WEEKS, 0),  # one school day
        (WEEKS[16], WEEKS, 2),
        (WEEKS[9], WEEKS, 9),
        (WEEKS[9], [*WEEKS[:10], *WEEKS[15:]], 4),  # a week of holidays
        (WEEKS[13], [*WEEKS[:14], WEEKS[18]], 0),  # a long weekend, and one day
        (WEEKS[9], [], 9),  # not known: weekdays
    ],
)
def test_a_school_is_late_by_school_days_and_not_by_holidays(
    reported_through: date | None, school_days: list[date], late: int
) -> None:
    days = pl.DataFrame({"date": school_days}, schema={"date": pl.Date}).select(
        pl.lit("north").alias("school_id"), "date"
    )
    assert days_late(_school(reported_through=reported_through), days) == late


def test_schools_of_data_health_are_late_by_school_days_too() -> None:
    """From a Friday to the Monday after, one is missing, not three; where the source does not say, five are asked."""
    days = pl.DataFrame([("north", day) for day in WEEKS], schema=["school_id", "date"], orient="row")
    schools = [SchoolRow(school_id="north", name="North", **dict.fromkeys(COUNTS, 0))]

    def late(reported: date | None, as_of: date, *, is_known: bool) -> bool:
        coverage = {"last_reported": {"north": str(reported)} if reported else {}, "reporting_known": is_known}
        return bool(late_schools(schools, coverage, as_of=as_of, school_days=days))

    assert late(None, WEEKS[9], is_known=True)
    assert not late(WEEKS[4], WEEKS[5], is_known=True)  # Friday, Monday
    assert late(WEEKS[4], WEEKS[6], is_known=True)
    assert not late(WEEKS[4], WEEKS[8], is_known=False)
    assert late(WEEKS[4], WEEKS[9], is_known=False)


@pytest.mark.parametrize(
    ("reported_through", "entered", "days"),
    [
        (None, MONDAY, WEEKS[:-1]),
        (WEEKS[14], MONDAY, WEEKS[:15]),
        (WEEKS[-1], WEEKS[3], WEEKS[3:-1]),
    ],
)
def test_a_day_that_nobody_has_entered_is_no_day_of_presence(
    reported_through: date | None, entered: date, days: list[date]
) -> None:
    page = told(_student(reported_through=reported_through, entered=entered))
    assert [cell.day for cell in page["calendar"].cells] == days
    assert page["trend"].points[-1] == (days[-1], 1 / len(days))


def test_behavior_of_earlier_years_is_kept_apart_from_this_one() -> None:
    incidents = [{"date": day, "severity": "minor", "school_id": "north"} for day in (date(2025, 3, 4), WEEKS[1])]
    actions = [{"start_date": day, "action": "short_term_suspension", "days": 1.0} for day in (MONDAY, WEEKS[2])]
    page = _student(reported_through=None, entered=MONDAY)
    page = replace(page, records={**page.records, "incidents": incidents, "discipline_actions": actions})
    shown = told(page)["behavior"]
    assert [one["day"] for one in shown["this_year"]] == [WEEKS[2], WEEKS[1], MONDAY]
    assert [one["day"] for one in shown["before"]] == [date(2025, 3, 4)]
    unknown_year = told(replace(page, school_days=[]))["behavior"]
    assert (len(unknown_year["this_year"]), unknown_year["before"]) == (4, [])


@pytest.mark.parametrize(
    ("days", "band"),
    [(0.0, "0"), (0.5, "under_5"), (5.0, "5_to_9"), (19.5, "10_to_19"), (20.0, "20_and_more"), (None, "none")],
)
def test_days_absent_fall_into_bands(days: float | None, band: str) -> None:
    assert among([_row("a", days_absent=days)], chosen_of(f"band={band}"))


def _barred(grade: str, number: int, domain: str = "attendance", **changed: Any) -> list[RosterRow]:
    return [_row(f"{grade}-{one}", grade=grade, domains=frozenset({domain}), **changed) for one in range(number)]


def test_a_barrier_of_few_is_not_told_and_only_tier_1_counts() -> None:
    first = [*_barred("9", 4), *_barred("10", 30), *_barred("11", 6), *_barred("11", 12, "behavior")]
    assert barriers([*first, *_barred("10", 20, tier=3)]) == [
        (EVERY, [40, 12, None, None]),
        ("10", [30, None, None, None]),
        ("11", [None, 12, None, None]),
    ]
    # The few of the ninth grade alone could be worked out from the whole building: so another one is left out.
    assert barriers([*_barred("9", 4), *_barred("10", 30), *_barred("12", 40)]) == [
        (EVERY, [74, None, None, None]),
        ("12", [40, None, None, None]),
    ]


def test_of_the_building_few_are_not_told_either() -> None:
    assert barriers([*_barred("9", 4), *_barred("10", 5)]) == []
    assert barriers([*_barred("9", 4), *_barred("10", 6)]) == [(EVERY, [10, None, None, None])]


def test_no_grade_can_be_worked_out_from_the_building() -> None:
    """Whoever subtracts what is told of grades from the sum finds at least two of them, who are ten or more."""
    for sizes in product((0, 1, 9, 10, 11, 25), repeat=4):
        rows = [row for grade, size in zip(("9", "10", "11", "12"), sizes, strict=True) for row in _barred(grade, size)]
        told = {row: cells[0] for row, cells in barriers(rows)}
        grades = Counter(row.grade_level for row in rows)
        left_out = [size for grade, size in grades.items() if told.get(grade or "") is None]
        assert told.get(EVERY) == (sum(sizes) if sum(sizes) >= 10 else None)
        if told.get(EVERY) is not None and left_out:
            assert len(left_out) >= 2
            assert sum(left_out) >= 10


def _count(
    school: str, *, tier: int | None, students: int, state: CaseState | None = None, beyond: int = 0
) -> GroupCount:
    return GroupCount(school_id=school, grade_level="9", tier=tier, state=state, students=students, beyond_list=beyond)


def test_flagged_and_served_stand_side_by_side() -> None:
    counts = [
        *[_count(school, tier=1, students=200) for school in ("north", "south")],
        *[_count(school, tier=3, students=30) for school in ("north", "south")],
        *[_count(school, tier=2, students=20, state=CaseState.ACCEPTED) for school in ("north", "south")],
        *[_count(school, tier=2, students=15, state=CaseState.NOT_NOW) for school in ("north", "south")],
        *[_count(school, tier=None, students=40) for school in ("north", "south")],
    ]
    told = told_by(counts, lambda each: each.school_id)
    assert told["north"] == told["south"]
    assert told["north"] == {
        "tier_3": 30,
        "tier_2": 35,
        "tier_1": 200,
        "not_enough_data": 40,
        "students": 305,
        "in_support": 20,
        "in_touch": 15,
        "unseen": 30,
        "flagged": 65,
    }
    assert told[EVERY]["flagged"] == 130
    few = [*counts, _count("east", tier=2, students=4), _count("east", tier=1, students=90)]
    told = told_by(few, lambda each: each.school_id)
    assert {told["east"][name] for name in ("tier_2", "in_support", "unseen", "flagged")} == {None}
    # Somebody else's number is left out as well: the sums would give the four away.
    assert None in {told["north"]["tier_2"], told["south"]["tier_2"]}


def test_who_may_open_every_student_is_told_every_number() -> None:
    counts = [
        _count("north", tier=3, students=3, state=CaseState.ACCEPTED),
        _count("north", tier=1, students=90, beyond=4),
        _count("south", tier=None, students=1),
    ]
    every, north, south = rows_of_schools(counts, [_school("north"), _school("south")], is_full=True)
    assert (north.told["tier_3"], north.told["tier_2"], north.told["in_support"], north.told["unseen"]) == (3, 0, 3, 0)
    assert (north.told["beyond_list"], south.told["not_enough_data"], every.told["students"]) == (4, 1, 94)
    (grade,) = rows_of_grades(counts, is_full=True)
    assert (grade.told["tier_3"], grade.told["flagged"]) == (3, 3)
    assert rows_of_grades(counts)[0].told["tier_3"] is None


def _beyond_lists(*, tier_2: int, tier_1: int, beyond: int) -> list[int | None]:
    """What the table tells of north's and south's students beyond the list; of south it is always the same."""
    counts = [
        *[_count(school, tier=3, students=30) for school in ("north", "south")],
        *[_count(school, tier=None, students=40) for school in ("north", "south")],
        *[_count("north", tier=2, students=tier_2), _count("south", tier=2, students=50)],
        *[_count("north", tier=1, students=tier_1, beyond=beyond), _count("south", tier=1, students=300, beyond=60)],
    ]
    rows = rows_of_schools(counts, [_school("north"), _school("south")])
    return [row.told["beyond_list"] for row in rows if not row.is_sum]


def test_a_full_list_gives_no_tier_away_that_is_left_out() -> None:
    assert _beyond_lists(tier_2=20, tier_1=200, beyond=25) == [25, 60]
    assert _beyond_lists(tier_2=20, tier_1=25, beyond=25) == [25, 60]
    assert _beyond_lists(tier_2=20, tier_1=29, beyond=25) == [None, 60]  # four of Tier 1 are not beyond it
    assert _beyond_lists(tier_2=20, tier_1=200, beyond=4) == [None, 60]
    # The list is full, so that who is beyond it and the room together are the tiers that are left out.
    assert _beyond_lists(tier_2=4, tier_1=200, beyond=25) == [None, None]


@pytest.mark.parametrize(
    ("locale", "heading", "cell"),
    [
        ("en", "Assignments missing or late", "<td>3 of 12</td>"),
        ("es", "Tareas sin entregar o entregadas tarde", "<td>3 de 12</td>"),
    ],
)
def test_assignments_missing_or_late_are_told_course_by_course_where_any_are_known(
    locale: str, heading: str, cell: str
) -> None:
    mark = {"school_year": 2026, "term": "S2", "course_id": "algebra", "subject": "math", "is_core": True}
    mark |= {"mark": None, "percent": 70.0, "graded_on": MONDAY, "assignments": 12, "assignments_missing_or_late": 3}
    silent = {**mark, "course_id": "art", "assignments": None, "assignments_missing_or_late": None}
    for marks, is_told in (([mark, silent], True), ([silent], False)):
        page = told(replace(_student(reported_through=None, entered=MONDAY), records={"course_grades": marks}))
        text = environment(locale, UTC).get_template("_marks.html").render(**page, words=WORDS)
        assert (heading in text, text.count(cell)) == (is_told, int(is_told))
        assert text.count("<td></td>") == int(is_told)


def test_a_day_that_is_searched_from_begins_where_people_live() -> None:
    assert beginning_of(None, UTC) is None
    assert beginning_of("2026-01-05", ZoneInfo("Asia/Tokyo")) == datetime(2026, 1, 4, 15, tzinfo=UTC)
    for text in ("yesterday", "0001-01-01"):  # in Tokyo the second began in a year before the first
        with pytest.raises(ApiError) as refused:
            beginning_of(text, ZoneInfo("Asia/Tokyo"))
        assert refused.value.status == 422


def test_a_night_of_tomorrow_is_not_days_before_today() -> None:
    assert [days_old(MONDAY, MONDAY + timedelta(days=days)) for days in (-1, 0, 1, 9)] == [0, 0, 1, 9]
