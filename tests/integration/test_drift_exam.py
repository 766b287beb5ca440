"""The drift exam: faults planted in a made-up year, each found with its school named; silence on the clean year.

Measured in docs/monitoring.md over more years than a test has time for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from scipy.stats import binom

from cis_ews import RiskModel, RulesModel, TierPolicy, compute_indicators, read_school_data
from cis_ews.evaluation.drift import FEWEST_EARLIER, Monitoring, monitor, unusual
from cis_ews.evaluation.drift_checks import BY_CODE
from cis_ews.evaluation.drift_measures import NightFacts, measured
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.night_model import NightModel
from cis_ews.risk.tiers import assign_tiers
from cis_ews.schema.freshness import school_days_so_far
from cis_ews.schema.school_data import SchoolData
from tests.lib.command import command
from training.config import TrainingConfig
from training.fitting import usable_features
from training.matrices import LABEL, build_matrices

FIRST = date(2025, 10, 3)
LAST = date(2026, 5, 29)
DAYS = [FIRST + timedelta(days=7 * week) for week in range((LAST - FIRST).days // 7 + 1)]
TONIGHT = date(2026, 3, 6)
A_WEEK_AGO = TONIGHT - timedelta(days=7)
AFTER_CHRISTMAS = date(2026, 1, 9)
MODEL, POLICY = RulesModel(), TierPolicy.load()
RATE = 1 / 60
"""The rate of nights with a finding that docs/monitoring.md states for clean years."""
YEARS = 6 if os.environ.get("CIS_EWS_TEST_LONG") else 1
DATES = ("10-15", "11-30", "01-31", "02-28", "04-15")
CONFIG = TrainingConfig(config_version=1, label="off_track", as_of=DATES, test_years=1, seed=7)


def _facts(school_data: SchoolData, as_of: date, model: RiskModel | None = None) -> NightFacts:
    """What a night by a trained model would leave behind, or by rules."""
    every = compute_indicators(school_data, as_of)
    cohort = build_cohort(school_data, as_of, indicators=every)
    indicators = cohort.rows_of(every)
    results = MODEL.evaluate(indicators, as_of=as_of)
    estimates = None if model is None else NightModel.of(model).estimate(indicators)
    risk = None if estimates is None else estimates.risk
    scores = assign_tiers(cohort, indicators, results, policy=POLICY, model_version=MODEL.version, risk=risk)
    students = scores.select("student_id", "school_id", "tier", "risk").join(
        indicators.drop("school_id"), on="student_id"
    )
    through = dict(school_data.reporting.select("school_id", "reported_through").iter_rows())
    days = school_days_so_far(school_data.calendar_days, as_of, reported=through)
    return NightFacts(as_of=as_of, school_year=2026, students=students, school_days=days)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> SchoolData:
    folder = tmp_path_factory.mktemp("year") / "extract"
    assert command("synthesize", folder, "--students", "1200", "--years", "1", "--seed", "31").code == 0
    return read_school_data(folder)


@pytest.fixture(scope="module")
def nights(year: SchoolData) -> list[NightFacts]:
    """A night a week, on Friday."""
    return [_facts(year, day) for day in DAYS]


@pytest.fixture(scope="module")
def model(year: SchoolData) -> RiskModel:
    """Fitted on five dates of the year and what came of them, on every feature that says something."""
    rows = build_matrices(year, CONFIG, minimum_days=POLICY.minimum_days_enrolled).rows
    names, _ = usable_features(rows)
    assert len(names) > 30
    return RiskModel.fit(rows.select(names), rows[LABEL], seed=CONFIG.seed, groups=rows["student_id"])


@pytest.fixture(scope="module")
def nights_by_model(year: SchoolData, model: RiskModel) -> list[NightFacts]:
    return [_facts(year, day, model) for day in DAYS]


@pytest.fixture(scope="module")
def school(year: SchoolData) -> str:
    """The high school, of which all records are kept."""
    return year.schools.filter(pl.col("level") == "high")["school_id"][0]


def _judged(nights: list[NightFacts]) -> tuple[int, int, pl.DataFrame]:
    """How many nights are judged, on how many of them there is a finding, and what was measured of them."""
    history = [
        measured(before, now, since=nights[: number + 1]) for number, (before, now) in enumerate(pairwise(nights))
    ]
    loud = sum(
        bool(unusual(history[number], pl.concat(history[max(0, number - 20) : number])))
        for number in range(FEWEST_EARLIER, len(history))
    )
    return len(history) - FEWEST_EARLIER, loud, pl.concat(history[FEWEST_EARLIER:])


def _is_rate(loud: int, judged: int) -> bool:
    """Whether as many loud nights, or more, are no wonder (one in forty) at the stated rate."""
    return float(binom.sf(loud - 1, judged, RATE)) > 0.025


def test_clean_years_of_nights_are_as_silent_as_stated(
    nights: list[NightFacts], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One year by itself here, six and the table of docs/monitoring.md by `make test-long`."""
    judged, loud, _ = _judged(nights)
    for seed in range(32, 31 + YEARS):
        folder = tmp_path_factory.mktemp("clean") / "extract"
        assert command("synthesize", folder, "--students", "1200", "--years", "1", "--seed", str(seed)).code == 0
        school_data = read_school_data(folder)
        of_year = _judged([_facts(school_data, day) for day in DAYS])
        judged, loud = judged + of_year[0], loud + of_year[1]
    assert judged >= 25 * YEARS
    assert _is_rate(loud, judged)
    assert not _is_rate(3, 30)


def test_a_clean_year_of_nights_by_a_model_is_as_silent(nights_by_model: list[NightFacts]) -> None:
    judged, loud, history = _judged(nights_by_model)
    assert judged >= 25
    assert _is_rate(loud, judged)
    of_risks = history.filter(pl.col("code") == "EWS007")["value"]
    assert of_risks.len() > 100
    # Values come in at the end of a term, which moves the risks of a school at most once.
    assert 0.0 < float(of_risks.quantile(0.95) or 0.0) < BY_CODE["EWS007"].least / 2
    assert (of_risks >= BY_CODE["EWS007"].least).sum() <= 1


def test_risks_that_moved_are_found_with_the_values_that_moved_them(
    year: SchoolData, nights_by_model: list[NightFacts], school: str, model: RiskModel
) -> None:
    found = monitor(_facts(_percents_as_shares(year, school), TONIGHT, model), nights_by_model)
    assert {("EWS005", school, "percent_average_latest_term"), ("EWS007", school, "risk")} <= _named(found)
    assert {each.school_id for each in found.findings} == {school}


def _at(school: str) -> pl.Expr:
    return pl.col("school_id") == school


def _new(column: str = "date") -> pl.Expr:
    return pl.col(column).is_between(A_WEEK_AGO, TONIGHT, closed="right")


def _percents_as_shares(year: SchoolData, school: str) -> SchoolData:
    percent = pl.when(_at(school)).then(pl.col("percent") / 100).otherwise("percent")
    return replace(year, course_grades=year.course_grades.with_columns(percent=percent))


def _reports_no_more(year: SchoolData, school: str) -> SchoolData:
    through = pl.when(_at(school)).then(A_WEEK_AGO).otherwise("reported_through")
    return replace(year, reporting=year.reporting.with_columns(reported_through=through))


def _silence(year: SchoolData, school: str) -> SchoolData:
    return replace(year, attendance_events=year.attendance_events.filter(~(_at(school) & _new())))


def _excused_becomes_unexcused(year: SchoolData, school: str) -> SchoolData:
    status = pl.col("status")
    remapped = pl.when(_at(school) & _new() & (status == "excused")).then(pl.lit("unexcused")).otherwise(status)
    events = year.attendance_events
    return replace(year, attendance_events=events.with_columns(status=remapped.cast(events.schema["status"])))


def _incidents_twice(year: SchoolData, school: str) -> SchoolData:
    again = year.incidents.filter(_at(school)).with_columns(pl.col("incident_id") + "-2")
    return replace(year, incidents=pl.concat([year.incidents, again]).sort("incident_id", "student_id"))


@pytest.mark.parametrize(
    ("fault", "code", "feature"),
    [
        (_percents_as_shares, "EWS005", "percent_average_latest_term"),
        (_reports_no_more, "EWS001", "days_enrolled_ytd"),
        (_silence, "EWS003", "days_excused_ytd"),
        (_excused_becomes_unexcused, "EWS003", "days_excused_ytd"),
        (_incidents_twice, "EWS004", "incidents_minor_ytd"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_planted_fault_is_found_and_its_school_named(
    year: SchoolData,
    nights: list[NightFacts],
    school: str,
    fault: Callable[[SchoolData, str], SchoolData],
    code: str,
    feature: str,
) -> None:
    found = monitor(_facts(fault(year, school), TONIGHT), nights)
    assert found.compared_with == A_WEEK_AGO
    assert (code, school, feature) in _named(found)
    assert {each.school_id for each in found.findings} == {school}


def _named(found: Monitoring) -> set[tuple[str, str | None, str]]:
    return {(each.check.code, each.school_id, each.feature) for each in found.findings}


def test_a_holiday_that_the_calendar_counts_as_school_days(
    year: SchoolData, nights: list[NightFacts], school: str
) -> None:
    holiday = _at(school) & pl.col("date").is_between(date(2025, 12, 22), date(2026, 1, 2))
    weekday = pl.col("date").dt.weekday() <= 5
    opened = pl.when(holiday & weekday).then(pl.lit(True)).otherwise("is_instructional")
    calendar = year.calendar_days.with_columns(is_instructional=opened)
    found = monitor(_facts(replace(year, calendar_days=calendar), date(2026, 1, 2)), nights)
    assert ("EWS002", school, "days_enrolled_ytd") in _named(found)
    assert {each.school_id for each in found.findings} == {school}


def test_yesterdays_extract_once_more(nights: list[NightFacts]) -> None:
    before = [replace(each, inputs=frozenset({str(each.as_of)})) for each in nights if each.as_of < TONIGHT]
    again = replace(before[-1], as_of=TONIGHT)
    [first, *_] = monitor(again, before).findings
    assert (first.check.code, first.school_id, first.now) == ("EWS011", None, 7.0)
