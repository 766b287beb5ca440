"""A check: each fault that is planted is found, and nothing else; the clean twin is silent."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from cis_ews.checking.catalog import KINDS, RULE_HINTS
from cis_ews.checking.kept import MOST_KEPT, keep, last_kept
from cis_ews.checking.page import check_page
from cis_ews.checking.result import CheckResult, refusal
from cis_ews.checking.summary import Summary
from cis_ews.checking.words import harmless
from cis_ews.errors import DataError, ToleranceError
from cis_ews.evaluation.drift_checks import CHECKS
from cis_ews.schema import parsing
from cis_ews.schema.links import LINK_RULES
from tests.lib.checks import Frames, changed, check, found
from tests.lib.extracts import AS_OF, small_district, write_extract
from tests.lib.markup import Markup

DAY = date.fromisoformat(AS_OF)
CLEAN = small_district()
NORTH, SOUTH = pl.col("school_id") == "north", pl.col("school_id") == "south"
_RULES = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[CheckResult, Summary]:
    """The check of a district without a fault."""
    return check(write_extract(tmp_path_factory.mktemp("clean") / "extract", CLEAN))


def _students_of(tables: Frames, school: str) -> pl.Series:
    return tables["enrollments"].filter(pl.col("school_id") == school)["student_id"]


def _only_north(tables: Frames) -> dict[str, pl.DataFrame]:
    """What a filter on one school leaves."""
    north = pl.col("student_id").is_in(_students_of(tables, "north").implode())
    return {
        name: table.filter(NORTH if "school_id" in table.columns else north) if table.height else table
        for name, table in tables.items()
    }


def _twice(table: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([table, table.with_columns(course_id=pl.col("course_id") + "-2")])


def _few_of_south(table: pl.DataFrame) -> pl.DataFrame:
    south = table.filter(SOUTH)
    return pl.concat([table.filter(NORTH), south.head(south.height // 4)])


def _behind(days: int) -> pl.DataFrame:
    through = [DAY, DAY - timedelta(days=days)]
    return pl.DataFrame({"school_id": ["north", "south"], "reported_through": through})


def _unknown_marks(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(mark=pl.when(pl.col("mark") == "F").then(pl.lit("NC")).otherwise("mark"))


ALONE = {
    "EWS101": changed(CLEAN, course_grades=lambda rows: rows.with_columns(subject=pl.lit("x"))),
    "EWS102": changed(CLEAN, incidents=lambda rows: rows.vstack(rows)),
    "EWS103": changed(CLEAN, reporting=lambda _: _behind(4)),
    "EWS104": changed(CLEAN, reporting=lambda _: _behind(21)),
    "EWS105": changed(CLEAN, reporting=lambda rows: rows.filter(NORTH)),
    "EWS106": changed(
        CLEAN, calendar_days=lambda rows: rows.filter(NORTH), attendance_events=lambda rows: rows.filter(NORTH)
    ),
}
WITH = {"EWS101": ["EWS101", "EWS102"], "EWS102": ["EWS101", "EWS102"]}
"""Findings that bring others with them: every row that is lost is a rejection, and of one row each is too many."""


@pytest.mark.parametrize("code", list(ALONE))
def test_a_fault_of_an_extract_is_found_and_nothing_else(tmp_path: Path, code: str) -> None:
    result, _ = check(write_extract(tmp_path / "extract", ALONE[code]), as_of=DAY)
    assert found(result) == WITH.get(code, [code])
    assert code in result.findings[0].kind.code or code in WITH


def test_a_calendar_that_has_ended_is_found(tmp_path: Path) -> None:
    folder = write_extract(tmp_path / "extract", changed(CLEAN, reporting=None))
    assert "EWS107" in found(check(folder, as_of=date(2026, 6, 20))[0])


UNLIKE = {
    "EWS111": (changed(CLEAN, course_grades=None), {"table": "course_grades", "count": 48}),
    "EWS112": (changed(CLEAN, course_grades=lambda rows: rows.head(20)), {"table": "course_grades", "count": 28}),
    "EWS113": (changed(CLEAN, course_grades=_twice), {"table": "course_grades", "count": 48}),
    "EWS114": (_only_north(CLEAN), {"school_id": "south", "school": "South High", "count": 12}),
    "EWS116": (
        changed(CLEAN, attendance_events=_few_of_south),
        {"table": "attendance_events", "school_id": "south"},
    ),
    "EWS117": (
        changed(CLEAN, course_grades=lambda rows: rows.drop("mark")),
        {"table": "course_grades", "column": "mark", "count": 48},
    ),
    "EWS118": (
        changed(
            CLEAN,
            course_grades=lambda rows: rows.with_columns(mark=pl.when(NORTH).then("mark")).with_columns(
                mark=pl.when(pl.col("student_id") < "s10").then("mark")
            ),
        ),
        {"table": "course_grades", "column": "mark"},
    ),
    "EWS119": (
        changed(CLEAN, course_grades=_unknown_marks),
        {"table": "course_grades", "column": "mark", "code": "NC", "count": 6},
    ),
    "EWS120": (
        changed(CLEAN, course_grades=lambda rows: rows.with_columns(mark=pl.lit("F"))),
        {"table": "course_grades", "column": "mark", "code": "B", "count": 42},
    ),
    "EWS121": (
        changed(CLEAN, attendance_events=lambda rows: rows.vstack(rows.head(12))),
        {"table": "attendance_events", "count": 12},
    ),
    "EWS122": (
        changed(CLEAN, reporting=lambda _: _behind(0).with_columns(reported_through=DAY - timedelta(days=1))),
        {},
    ),
}


@pytest.mark.parametrize("code", list(UNLIKE))
def test_what_is_unlike_the_extract_before_is_found(
    tmp_path: Path, clean: tuple[CheckResult, Summary], code: str
) -> None:
    tables, told = UNLIKE[code]
    result, _ = check(write_extract(tmp_path / "extract", tables), then=clean[1])
    (finding,) = [each.to_dict() for each in result.findings if each.kind.code == code]
    assert {name: finding[name] for name in told} == told
    of_before = {each.kind.code for each in result.findings if each.kind.code > "EWS110"}
    assert of_before <= {code, "EWS111", "EWS112", "EWS116", "EWS120"}


def test_a_school_that_came_back_is_new(tmp_path: Path, clean: tuple[CheckResult, Summary]) -> None:
    _, north = check(write_extract(tmp_path / "north", _only_north(CLEAN)))
    result, _ = check(write_extract(tmp_path / "extract", CLEAN), then=north)
    assert "EWS115" in found(result)
    assert not result.is_unlike


def test_the_clean_twin_is_silent(tmp_path: Path, clean: tuple[CheckResult, Summary]) -> None:
    result, summary = clean
    assert result.findings == ()
    again, same = check(write_extract(tmp_path / "extract", CLEAN), then=summary)
    assert again.findings == ()
    assert same.to_bytes() == summary.to_bytes()
    one_day_on = changed(CLEAN, attendance_events=lambda rows: rows.head(rows.height - 1))
    assert check(write_extract(tmp_path / "other", one_day_on), then=summary)[0].findings == ()


def test_rows_are_counted_by_table_and_school(tmp_path: Path) -> None:
    tables = changed(
        CLEAN,
        attendance_events=lambda rows: rows.with_columns(
            fraction_absent=pl.when(pl.int_range(pl.len()).is_in([0, 2])).then(9.0).otherwise("fraction_absent")
        ),
    )
    result, _ = check(write_extract(tmp_path / "extract", tables))
    events = CLEAN["attendance_events"]
    schools = [events["school_id"][0], events["school_id"][2]]
    for row in result.schools:
        rows = events.filter(pl.col("school_id") == row["school_id"]).height
        lost = schools.count(row["school_id"])
        assert row["tables"]["attendance_events"] == {"read": rows, "rejected": lost, "kept": rows - lost}
        assert row["tables"]["students"] == {"read": 12, "rejected": 0, "kept": 12}
    (rejection,) = result.rejections
    assert rejection["schools"] == {school: schools.count(school) for school in schools}
    assert rejection["first"] == [{"file": "attendance_events.csv", "row": row} for row in (2, 4)]


def test_in_parts_as_whole(tmp_path: Path, clean: tuple[CheckResult, Summary]) -> None:
    for table, rows in CLEAN.items():
        typed = rows.sort("student_id", maintain_order=True) if "student_id" in rows.columns else rows
        broken = pl.concat([typed.head(3), typed]) if table == "course_grades" else typed
        broken.write_parquet(tmp_path / f"{table}.parquet")
    (whole, one), (parts, two) = (check(tmp_path, then=clean[1], students_a_part=size) for size in (99, 7))
    assert one.to_bytes() == two.to_bytes()
    assert whole.to_dict() == parts.to_dict()
    assert found(parts) == ["EWS101", "EWS102", "EWS121"]


STRANGE = "</td><script>alert(1)</script>\u202egnp.\x1b[2J\x07 & \"'" + "é" * 4000


def test_strange_names_of_schools_stay_harmless(tmp_path: Path, clean: tuple[CheckResult, Summary]) -> None:
    named = pl.when(NORTH).then(pl.lit(STRANGE[:500])).otherwise("name")
    tables = changed(
        CLEAN,
        schools=lambda rows: rows.with_columns(name=named),
        reporting=lambda rows: rows.filter(SOUTH),
    )
    result, _ = check(write_extract(tmp_path / "extract", tables), then=clean[1])
    page = check_page(result)
    markup = Markup(page)
    assert not {"script", "link", "img", "a", "iframe"} & set(markup.tags)
    assert "alert(1)" in markup.text
    assert not set("\u202e\x1b\x07") & set(page)
    assert len(page) < 30_000
    assert all(len(each.where) < 120 for each in result.findings)


def test_a_source_that_cannot_be_used_has_a_page_too(tmp_path: Path) -> None:
    tables = changed(CLEAN, schools=lambda rows: rows.with_columns(name=pl.lit(STRANGE)))
    with pytest.raises(ToleranceError) as refused:
        check(write_extract(tmp_path / "extract", tables))
    result = refusal(refused.value, path=tmp_path / "extract", layout="folder")
    markup = Markup(check_page(result))
    for words in ("It cannot be used", "too_long (name)", "schools.csv:2", "shorten the text"):
        assert words in markup.text
    assert "alert" not in markup.text
    with pytest.raises(DataError) as empty:
        check(write_extract(tmp_path / "empty", {}))
    assert found(refusal(empty.value, path=tmp_path / "empty", layout="folder")) == ["EWS100"]


def test_names_are_cut_and_shown_in_one_line() -> None:
    assert harmless("a\nb\u200fc") == "a·b·c"
    assert len(harmless("x" * 4000)) == 60


def test_free_text_and_ids_are_never_kept_as_codes(tmp_path: Path) -> None:
    tables = changed(
        CLEAN,
        course_grades=lambda rows: rows.with_columns(mark=pl.col("student_id")),
        incidents=lambda rows: rows.with_columns(behavior=pl.lit("hit Given Family")),
    )
    _, summary = check(write_extract(tmp_path / "extract", tables))
    assert summary.codes["course_grades.mark"] == {}
    assert summary.codes["incidents.behavior"] == {}
    said = summary.to_bytes().decode()
    assert "Given" not in said
    assert "s07" not in said


def _mark_of(pupils: int, mark: str) -> dict[str, pl.DataFrame]:
    """The clean district, this mark in all rows of so many of its students, the others unchanged."""
    students = CLEAN["course_grades"]["student_id"].unique().sort().tail(pupils)
    is_one = pl.col("student_id").is_in(students.implode())
    return changed(
        CLEAN, course_grades=lambda rows: rows.with_columns(mark=pl.when(is_one).then(pl.lit(mark)).otherwise("mark"))
    )


def _says_of_codes(folder: Path, before: Frames, after: Frames) -> list[tuple[str, str | None, str]]:
    _, then = check(write_extract(folder / "before", before))
    result, _ = check(write_extract(folder / "after", after), then=then)
    of_codes = [each for each in result.findings if each.kind.code in ("EWS119", "EWS120")]
    return [(each.kind.code, each.code, each.says) for each in of_codes]


def test_a_code_that_few_have_now_is_not_gone_and_not_shown(tmp_path: Path) -> None:
    many = changed(CLEAN, course_grades=lambda rows: rows.with_columns(mark=pl.lit("B")))
    students = many["course_grades"]["student_id"].unique().sort()
    has_left = pl.col("student_id").is_in(students.tail(-2).implode())
    few = changed(
        many, course_grades=lambda rows: rows.with_columns(mark=pl.when(has_left).then(pl.lit("P")).otherwise("mark"))
    )
    none = changed(many, course_grades=lambda rows: rows.with_columns(mark=pl.lit("P")))
    new = ("EWS119", "P", f"P: {few['course_grades'].filter(has_left).height} rows")
    assert _says_of_codes(tmp_path / "few", many, few) == [new]
    assert [code for _, code, _ in _says_of_codes(tmp_path / "none", many, none)] == ["P", "B"]


def test_a_code_that_may_have_been_one_of_a_few_before_is_told_so(tmp_path: Path) -> None:
    certain = _says_of_codes(tmp_path / "certain", CLEAN, _mark_of(4, "NC"))
    assert certain == [("EWS119", "NC", "NC: 8 rows")]
    perhaps = _says_of_codes(tmp_path / "perhaps", _mark_of(2, "NC"), _mark_of(4, "NC"))
    assert perhaps == [("EWS119", "NC", "NC: 8 rows; fewer than 3 students had it then, if any")]


def test_of_a_code_that_is_not_shown_its_number_alone_is_kept(tmp_path: Path) -> None:
    _, summary = check(write_extract(tmp_path / "extract", _mark_of(2, "Quillan")))
    assert summary.hidden["course_grades.mark"] == 1
    assert summary.hidden["attendance_events.status"] == 0
    assert "Quillan" not in summary.to_bytes().decode() + repr(summary)


def test_ids_that_are_only_written_otherwise_are_told_where_they_cost_a_table(tmp_path: Path) -> None:
    tables = changed(CLEAN, course_grades=lambda rows: rows.with_columns(pl.col("student_id").str.to_uppercase()))
    result, _ = check(write_extract(tmp_path / "extract", tables))
    (lost,) = [each for each in result.findings if each.kind.code == "EWS102"]
    assert "24 student ids are unknown as they are written, and known but for leading zeros" in lost.says


def test_what_stands_in_the_place_of_a_school_is_not_shown(tmp_path: Path) -> None:
    wrong = pl.when(pl.int_range(pl.len()) < 9).then("student_id").otherwise("school_id")
    tables = changed(CLEAN, attendance_events=lambda rows: rows.with_columns(school_id=wrong))
    result, summary = check(write_extract(tmp_path / "extract", tables))
    assert [(row["rule"], row["rows"], row["schools"]) for row in result.rejections] == [("school_known", 9, {})]
    for text in (json.dumps(result.to_dict(), default=str), check_page(result), summary.to_bytes().decode()):
        assert "s00" not in text
    assert set(summary.schools) == {"north", "south"}


def test_a_source_that_speaks_of_nothing_is_told(tmp_path: Path) -> None:
    wrong = CLEAN["course_grades"].with_columns(student_id=pl.lit("nobody"))
    tables = {
        name: rows for name, rows in CLEAN.items() if name in ("schools", "calendar_days", "students", "enrollments")
    }
    result, _ = check(write_extract(tmp_path / "extract", {**tables, "course_grades": wrong}))
    assert found(result) == ["EWS101", "EWS108", "EWS102"]


def test_a_store_keeps_the_last_extracts_of_each_source(tmp_path: Path, clean: tuple[CheckResult, Summary]) -> None:
    ours = [replace(clean[1], extract=f"{number:064x}") for number in range(MOST_KEPT + 3)]
    theirs = replace(clean[1], extract="f" * 64, names={"elsewhere": None})
    for summary in (theirs, *ours):
        keep(tmp_path, summary)
    assert len(list((tmp_path / "checks").iterdir())) == MOST_KEPT + 1
    assert last_kept(tmp_path, clean[1]).summary == ours[-1]
    assert last_kept(tmp_path, theirs).summary == theirs
    assert last_kept(tmp_path, clean[1]).others == 1
    assert last_kept(tmp_path, ours[-2]).is_old
    assert last_kept(tmp_path, replace(ours[-1], layout="oneroster")).summary is None
    keep(tmp_path, ours[-2])
    assert last_kept(tmp_path, clean[1]).summary == ours[-2]


def test_codes_are_stable_and_every_rule_says_what_to_do() -> None:
    codes = [kind.code for kind in (*CHECKS, *KINDS)]
    assert len(set(codes)) == len(codes)
    assert {rule.rule for rule in LINK_RULES} | set(_RULES.findall(inspect.getdoc(parsing) or "")) <= set(RULE_HINTS)
