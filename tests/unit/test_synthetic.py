"""The made-up district: what it refuses, what it looks like, and that it keeps its promises about the future."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cis_ews.errors import ConfigError, StorageError
from cis_ews.progress import Silent
from cis_ews.schema.school_data import TABLES
from cis_ews.synthetic import write_district
from cis_ews.synthetic.calendar import make_calendar
from cis_ews.synthetic.marginals import ABSENT, Extract, read_extract
from cis_ews.synthetic.page import FIGURES, Figure, measured_extract, render_page
from cis_ews.synthetic.plan import Plan
from cis_ews.synthetic.writer import MARKER

PAGE = Path(__file__).parents[2] / "docs/synthetic.md"
AS_OF = date(2026, 2, 27)
SMALL = {"students": 200, "years": 1, "format": "parquet", "dirt": False}
Table = Callable[[str], pl.DataFrame]
DETAILED = [table for table in TABLES if table != "student_years"]


@pytest.fixture(scope="module")
def extract() -> Extract:
    """The districts that the page measures."""
    return measured_extract()


@pytest.fixture(scope="module")
def table(extract: Extract) -> Table:
    return lambda name: extract.frames[name]


@pytest.fixture(scope="module")
def on_the_day(tmp_path_factory: pytest.TempPathFactory) -> Extract:
    """The same districts as they were handed over in February, as far as 3,000 students go."""
    return _february(tmp_path_factory.mktemp("february"), through=AS_OF)


def _february(folder: Path, *, through: date | None) -> Extract:
    write_district(folder / "out", students=3000, years=2, format="parquet", dirt=False, through=through)
    return read_extract(folder / "out")


@pytest.mark.parametrize(
    "wrong",
    [
        {"students": 99},
        {"students": 399, "districts": 4},
        {"students": 6_000_000},
        {"years": 0},
        {"seed": -1},
        {"districts": 0},
        {"last_school_year": 1950},
        {"format": "xlsx"},
        {"attendance": "negative"},
        {"through": date(2024, 2, 27)},
        {"through": date(2026, 9, 1)},
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as refused:
        write_district(tmp_path / "out", **wrong)  # pyright: ignore[reportArgumentType]
    assert refused.value.hint
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "schools.csv").write_text("school_id\n1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no made-up district"):
        write_district(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["schools.csv"]


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError):
        write_district(tmp_path / "out", **SMALL)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_a_disk_that_does_not_take_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(StorageError, match="a file stands where a folder is needed") as refused:
        write_district(tmp_path / "file" / "out", **SMALL)
    assert refused.value.hint


def test_an_empty_folder_is_filled_and_an_earlier_output_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_district(out, students=200, years=1)
    write_district(out, **SMALL)
    assert sorted(path.name for path in out.iterdir()) == sorted([MARKER, *(f"{table}.parquet" for table in DETAILED)])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class _Stops(Silent):
    """Progress that is interrupted at the first step."""

    def advance(self, amount: int = 1) -> None:
        raise KeyboardInterrupt(amount)


def test_an_interrupted_output_leaves_the_earlier_one_and_no_trace(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_district(out, **SMALL)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        write_district(out, students=300, progress=_Stops())
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("districts", [1, 3])
def test_the_summary_counts_the_rows_of_the_files(tmp_path: Path, kind: str, districts: int) -> None:
    out = tmp_path / "out"
    summary = write_district(out, students=1500, years=1, districts=districts, format=kind)  # pyright: ignore[reportArgumentType]
    read = {"csv": lambda path: pl.read_csv(path, infer_schema=False), "parquet": pl.read_parquet}[kind]
    parts = kind == "parquet" and districts > 1
    rows = {table: read(out / table if parts else out / f"{table}.{kind}").height for table in DETAILED}
    marker = json.loads((out / MARKER).read_text(encoding="utf-8"))
    assert summary.rows == rows == marker["rows"]
    planted = {(table, rule): count for table, rules in marker["planted"].items() for rule, count in rules.items()}
    assert summary.planted == planted
    assert summary.planted


def test_columns_are_those_of_the_contract_in_its_types(table: Table) -> None:
    for name in DETAILED:
        schema = TABLES[name]
        dtypes = {column: spec.dtype for column, spec in schema.columns().items()}
        expected = {column: pl.String if isinstance(dtype, pl.Enum) else dtype for column, dtype in dtypes.items()}
        assert dict(table(name).schema) == expected, name


@pytest.mark.parametrize("school_year", range(2004, 2041, 4))
def test_a_calendar_has_180_days_between_early_september_and_june(school_year: int) -> None:
    calendar = make_calendar(Plan(students=1000, districts=10, last_school_year=2026), school_year)
    assert (calendar.instructional.sum(axis=1) == 180).all()
    first, last = calendar.days[calendar.first], calendar.days[calendar.last]
    assert (first >= np.datetime64(f"{school_year - 1}-09-01")).all()
    assert (first <= np.datetime64(f"{school_year - 1}-09-10")).all()
    assert (last >= np.datetime64(f"{school_year}-06-05")).all()
    assert (last <= np.datetime64(f"{school_year}-06-30")).all()
    assert (calendar.weekday < 5).all()
    closed = np.isin(calendar.days, np.array([f"{school_year - 1}-11-11", f"{school_year - 1}-12-25"], "datetime64[D]"))
    assert not calendar.instructional[:, closed].any()
    assert len({row.tobytes() for row in calendar.instructional}) > 5


def test_terms_follow_each_other_and_are_of_one_length(table: Table) -> None:
    days = table("calendar_days").filter("is_instructional")
    terms = days.group_by("school_id", "school_year", "term").agg(pl.len(), first=pl.col("date").min())
    per_year = terms.sort("first").group_by("school_id", "school_year").agg("term", "len")
    known = [["S1", "S2"], ["T1", "T2", "T3"], ["Q1", "Q2", "Q3", "Q4"]]
    assert all(row["term"] in known and set(row["len"]) == {180 // len(row["term"])} for row in per_year.to_dicts())
    assert {len(row["term"]) for row in per_year.to_dicts()} == {2, 3, 4}


def test_the_calendar_has_weekdays_without_school(table: Table) -> None:
    closed = table("calendar_days").filter(~pl.col("is_instructional"))
    assert closed.height > 0
    assert closed.select((pl.col("date").dt.weekday() <= 5).all()).item()


def test_grades_go_to_the_school_of_their_level(table: Table) -> None:
    rows = table("enrollments").join(table("schools"), on="school_id").select("level", "grade_level").unique()
    grades = {level: set(rows.filter(pl.col("level") == level)["grade_level"]) for level in rows["level"].unique()}
    assert grades == {
        "elementary": {"PK", "K", "1", "2", "3", "4", "5"},
        "middle": {"6", "7", "8"},
        "high": {"9", "10", "11", "12"},
        "other": {"11", "12"},
    }


def test_prekindergarten_is_in_one_school_of_a_district(table: Table) -> None:
    young = table("enrollments").filter(pl.col("grade_level") == "PK").join(table("schools"), on="school_id")
    assert young.group_by("district_id").agg(pl.col("school_id").n_unique())["school_id"].to_list() == [1, 1]


def test_ids_are_text_of_one_length_and_some_begin_with_zero(table: Table) -> None:
    for name, column, length in (("students", "student_id", 10), ("schools", "school_id", 4)):
        ids = table(name)[column]
        assert ids.str.contains(rf"^\d{{{length}}}$").all()
    assert table("students")["student_id"].str.starts_with("0").mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("kind", ["[á-ž]", "'", r"\p{Han}", r"\p{Arabic}", r"\p{Cyrillic}", ",", " "])
def test_names_are_as_hard_as_real_ones(table: Table, kind: str) -> None:
    names = pl.concat([table("students")["first_name"], table("students")["last_name"]])
    assert names.str.contains(kind).any()


def test_birth_dates_fit_the_grade(table: Table) -> None:
    rows = table("enrollments").filter(pl.col("grade_level") == "K").join(table("students"), on="student_id")
    age = (pl.col("entry_date") - pl.col("birth_date")).dt.total_days() / 365.25
    assert rows.select(age.min()).item() >= 4.9
    assert rows.select(age.quantile(0.9)).item() < 6.3


def test_days_are_missed_whole_and_in_parts(table: Table) -> None:
    absences = table("attendance_events").filter(ABSENT)
    fractions = set(absences["fraction_absent"].unique())
    assert {1.0, 0.5, 0.25, 0.1667} <= fractions
    assert all(0 < fraction <= 1 for fraction in fractions)
    assert set(table("attendance_events")["status"].unique()) == {"excused", "unexcused", "tardy"}


def test_most_students_have_no_incident_and_a_few_have_many(extract: Extract) -> None:
    incidents = extract.years["minor"] + extract.years["major"]
    assert 0.5 < (incidents == 0).mean() < 0.8
    assert incidents.sort(descending=True)[: incidents.len() // 20].sum() > 0.35 * incidents.sum()


def test_the_youngest_are_not_suspended_for_long(table: Table) -> None:
    grades = table("enrollments").group_by("student_id", "school_year").agg(pl.col("grade_level").last())
    year = (pl.col("start_date").dt.year() + (pl.col("start_date").dt.month() >= 8)).cast(pl.Int16)
    long = table("discipline_actions").filter(pl.col("action").is_in(["long_term_suspension", "expulsion"]))
    rows = long.with_columns(school_year=year).join(grades, on=["student_id", "school_year"])
    assert rows.height > 5
    assert not set(rows["grade_level"]) & {"PK", "K", "1", "2", "3", "4"}


def test_actions_have_lengths_and_begin_on_the_day_or_soon_after(table: Table) -> None:
    rows = table("discipline_actions").join(table("incidents"), on=["incident_id", "student_id"])
    assert rows.height == table("discipline_actions").height
    wait = (rows["start_date"] - rows["date"]).dt.total_days()
    assert wait.min() == 0
    assert 0 < wait.mean() < 5  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
    assert 0.5 in rows["days"].to_list()
    assert rows.filter(pl.col("action") == "short_term_suspension")["days"].max() == 10


def test_marks_are_letters_standards_and_now_and_then_nothing(table: Table) -> None:
    marks = set(table("course_grades")["mark"].unique())
    assert {"A", "F", "I", "P", "NC", "1", "4", None} <= marks
    missing = table("course_grades").filter(pl.col("mark").is_null())
    assert missing["percent"].is_null().all()
    assert 0.002 < missing.height / table("course_grades").height < 0.02


def test_credits_are_halves_in_high_school_and_unknown_below(extract: Extract, table: Table) -> None:
    rows = table("course_grades").join(table("schools"), on="school_id").filter("is_final")
    assert set(rows.filter(pl.col("level") == "high")["credits_attempted"].drop_nulls()) == {0.5}
    assert rows.filter(pl.col("level") == "elementary")["credits_attempted"].is_null().all()
    assert table("course_grades").filter(~pl.col("is_final"))["credits_attempted"].is_null().all()


def test_some_marks_come_weeks_late_and_some_schools_do_not_date_them(table: Table) -> None:
    keys = ["school_id", "school_year", "term"]
    ends = table("calendar_days").group_by(keys).agg(end=pl.col("date").max())
    rows = table("course_grades").join(ends, on=keys)
    late = (rows["graded_on"] - rows["end"]).dt.total_days()
    assert 0.005 < (late > 7).mean() < 0.06  # pyright: ignore[reportOptionalOperand]
    undated = rows.group_by("school_id").agg(pl.col("graded_on").is_null().mean())["graded_on"]
    assert set(undated) == {0.0, 1.0}


def test_students_move_in_the_year_with_a_gap_and_within_or_between_districts(table: Table) -> None:
    schools = table("schools").filter(pl.col("level") != "other")
    stays = table("enrollments").join(schools, on="school_id").sort("student_id", "entry_date")
    before = pl.col("exit_date", "exit_type", "school_id", "district_id").shift(1).over("student_id", "school_year")
    moved = stays.with_columns(before.name.prefix("old_")).filter(pl.col("old_exit_date").is_not_null())
    assert moved.select((pl.col("old_exit_type") == "transfer").all()).item()
    gaps = (moved["entry_date"] - moved["old_exit_date"]).dt.total_days()
    assert gaps.min() >= 1  # pyright: ignore[reportOperatorIssue]
    assert gaps.max() >= 14  # pyright: ignore[reportOperatorIssue]
    same_school = pl.col("old_school_id") == pl.col("school_id")
    same_district = pl.col("old_district_id") == pl.col("district_id")
    kinds = moved.select(
        returned=same_school.any(), in_district=(same_district & ~same_school).any(), between=(~same_district).any()
    ).row(0)
    assert kinds == (True, True, True)


def test_some_are_in_two_schools_at_once(table: Table) -> None:
    second = table("enrollments").join(table("schools").filter(pl.col("level") == "other"), on="school_id")
    both = second.join(table("enrollments"), on=["student_id", "entry_date", "exit_date"], suffix="_first")
    assert both.filter(pl.col("school_id") != pl.col("school_id_first")).height == second.height > 20


def test_students_come_late_repeat_drop_out_and_graduate(extract: Extract) -> None:
    entries = extract.frames["enrollments"].group_by("student_id", "school_year").agg(pl.col("entry_date").min())
    late = entries.filter(pl.col("entry_date").dt.month().is_between(10, 12) | (pl.col("entry_date").dt.month() <= 5))
    assert 0.02 < late.height / entries.height < 0.08
    ninth = extract.of((pl.col("grade_level") == "9") & (pl.col("school_year") > 2024)).years
    assert 0.005 < 1 - ninth["first_time"].mean() < 0.1  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    ends = extract.years.group_by("ends").len()
    assert set(ends["ends"]) == {None, "transfer", "graduated", "dropped_out"}


def test_dropping_out_is_likelier_with_absence_and_not_decided_by_it(extract: Extract) -> None:
    high = extract.of(pl.col("grade_level").is_in(["9", "10", "11", "12"])).years
    left = pl.col("ends").fill_null("") == "dropped_out"
    bands = high.group_by(pl.col("rate") >= 0.1).agg(left.mean()).sort("rate")["ends"]
    assert bands[1] > 2 * bands[0] > 0
    assert bands[1] < 0.3


@pytest.mark.parametrize("figure", [each for _, figures in FIGURES for each in figures], ids=lambda each: each.name)
def test_figures_lie_within_their_bounds(extract: Extract, figure: Figure) -> None:
    low, high = figure.bounds
    assert low <= figure.of(extract) <= high


def test_the_page_is_not_stale(extract: Extract) -> None:
    """Words to the letter; numbers nearly, since another processor may round an exponential otherwise."""
    committed, rendered = PAGE.read_text(encoding="utf-8"), render_page(extract)
    number = re.compile(r"-?\d+\.\d+")
    assert number.sub("#", committed) == number.sub("#", rendered)
    pairs = zip(number.findall(committed), number.findall(rendered), strict=True)
    assert [pair for pair in pairs if float(pair[0]) != pytest.approx(float(pair[1]), abs=0.3, rel=0.02)] == []


def test_the_same_record_in_february_leads_to_different_springs(extract: Extract) -> None:
    """Students of one grade with the same days absent and incidents until the end of February: how many end alike?"""
    year = extract.frames["enrollments"]["school_year"].max()
    seen = _seen_in_february(extract).join(
        extract.years.filter((pl.col("school_year") == year) & (pl.col("days") == 180)), on="student_id"
    )
    ends = seen.with_columns(chronic=10 * pl.col("absent") >= pl.col("days"))
    groups = ends.group_by("grade_level", "missed", "incidents").agg(pl.len(), pl.col("chronic").mean())
    open_cases = groups.filter((pl.col("len") >= 5) & pl.col("missed").is_between(9, 12))
    assert open_cases.height >= 10
    assert open_cases.select(pl.col("chronic").is_between(0, 1, closed="none").mean()).item() > 0.7


def _seen_in_february(extract: Extract) -> pl.DataFrame:
    fall = pl.col("date").is_between(date(2025, 8, 25), AS_OF)
    schools = extract.frames["schools"].filter(pl.col("level") != "other")
    events = extract.frames["attendance_events"].join(schools, on="school_id").filter(fall & ABSENT)
    missed = events.group_by("student_id").agg(missed=pl.col("fraction_absent").sum().round(0))
    incidents = extract.frames["incidents"].filter(fall).group_by("student_id").agg(incidents=pl.len())
    return missed.join(incidents, on="student_id", how="left").with_columns(pl.col("incidents").fill_null(0))


def test_an_extract_of_a_day_is_the_whole_one_without_what_came_later(tmp_path: Path, on_the_day: Extract) -> None:
    whole = _february(tmp_path, through=None).frames
    cut = on_the_day.frames
    assert cut["calendar_days"].equals(whole["calendar_days"])
    for name in ("incidents", "supports"):
        assert cut[name].equals(whole[name].filter(pl.col("date") <= AS_OF)), name
    ended = pl.col("exit_date") <= AS_OF
    known = whole["enrollments"].filter(pl.col("entry_date") <= AS_OF)
    assert cut["enrollments"].equals(
        known.with_columns(exit_date=pl.when(ended).then("exit_date"), exit_type=pl.when(ended).then("exit_type"))
    )
    dated = pl.col("graded_on").is_not_null()
    assert (
        cut["course_grades"].filter(dated).equals(whole["course_grades"].filter(dated & (pl.col("graded_on") <= AS_OF)))
    )
    reported = cut["attendance_events"].join(cut["reporting"], on="school_id")
    assert reported.select((pl.col("date") <= pl.col("reported_through")).all()).item()
    assert set(cut["students"]["student_id"]) == set(cut["enrollments"]["student_id"])


def test_one_school_stopped_reporting_two_weeks_ago(on_the_day: Extract) -> None:
    reporting = on_the_day.frames["reporting"]
    days = reporting["reported_through"].to_list()
    assert days.count(AS_OF - timedelta(days=14)) == 1
    assert days.count(AS_OF) >= 3
    assert max(days) == AS_OF
    last = on_the_day.frames["attendance_events"].group_by("school_id").agg(pl.col("date").max())
    silent = last.join(reporting, on="school_id").filter(pl.col("reported_through") == AS_OF - timedelta(days=14))
    assert silent["date"].item() <= AS_OF - timedelta(days=14)


def test_nobody_is_planted_where_no_dirt_is_asked(tmp_path: Path) -> None:
    assert write_district(tmp_path / "out", **SMALL).planted == {}


def test_progress_hears_of_every_block(tmp_path: Path) -> None:
    steps: list[tuple[str, int | None]] = []
    advances: list[int] = []

    class Hears(Silent):
        def step(self, name: str, *, total: int | None = None) -> AbstractContextManager[object]:
            steps.append((name, total))
            return nullcontext()

        def advance(self, amount: int = 1) -> None:
            advances.append(amount)

    write_district(tmp_path / "out", students=5000, years=1, districts=2, format="parquet", progress=Hears())
    assert steps == [("students of the made-up district", len(advances))]
    assert sum(advances) == len(advances) >= 2
