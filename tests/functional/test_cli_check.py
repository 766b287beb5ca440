"""The verb check: what it shows, keeps, writes and how it ends."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.lib import edfi
from tests.lib.checks import changed
from tests.lib.command import command, process
from tests.lib.extracts import AS_OF, STUDENTS, small_district, write_extract
from tests.lib.layouts import LAYOUTS
from tests.lib.markup import Markup
from tests.lib.oneroster import package_of, write_package

CLEAN = small_district()
HALVED = changed(CLEAN, course_grades=lambda rows: rows.head(20))


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    return write_extract(tmp_path / "extract", CLEAN)


@pytest.fixture
def halved(tmp_path: Path) -> Path:
    return write_extract(tmp_path / "halved", HALVED)


def test_check_shows_tables_coverage_and_freshness(extract: Path) -> None:
    done = command("check", extract)
    assert done.code == 0
    for words in ("extract: no findings.", "No row was rejected", "What the source can speak of", "North High"):
        assert words in done.out
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80


def test_check_counts_rejections_by_rule_with_their_places(extract: Path, tmp_path: Path) -> None:
    rows = (extract / "attendance_events.csv").read_text(encoding="utf-8").splitlines()
    rows[2] = rows[2].replace("unexcused", "sleeping")
    (extract / "attendance_events.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = command("check", extract, "--json", "--rejections", tmp_path / "rejections.csv")
    (rejection,) = done.event("checked")["rejections"]
    assert rejection.pop("what_to_do").startswith("use the words of the column")
    assert rejection == {
        "table": "attendance_events",
        "rule": "unknown_code",
        "column": "status",
        "rows": 1,
        "first": [{"file": "attendance_events.csv", "row": 3}],
        "schools": {"north": 1},
    }
    assert pl.read_csv(tmp_path / "rejections.csv").row(0) == (
        "attendance_events",
        "attendance_events.csv",
        3,
        "unknown_code",
        "status",
    )
    assert "sleeping" not in done.out


def test_check_measures_freshness_in_school_days(extract: Path) -> None:
    done = command("check", extract, "--as-of", "2026-03-04", "--json")
    said = done.event("checked")
    north = said["schools"][0]
    assert (north["school_id"], north["reported_through"], north["school_days_behind"]) == ("north", AS_OF, 3)
    assert [each["finding"] for each in said["findings"]] == ["EWS103", "EWS103"]
    assert "attendance_events" in said["rows_after_as_of"]


def test_check_refuses_data_with_code_3_and_counts_by_rule(extract: Path) -> None:
    students = pl.read_csv(extract / "students.csv", infer_schema=False).with_columns(birth_date=pl.lit("May"))
    students.write_csv(extract / "students.csv")
    done = process("check", extract)
    assert done.code == 3
    assert "unreadable_date (birth_date)" in done.err
    assert "What to do:" in done.err
    assert "Traceback" not in done.err
    as_json = command("check", extract, "--json")
    assert as_json.error["code"] == "data_tolerance"
    assert as_json.error["details"]["by_rule"] == {"unreadable_date (birth_date)": STUDENTS}


def test_a_refused_check_names_file_and_row_and_writes_every_rejection(tmp_path: Path) -> None:
    package = package_of(small_district())
    package["enrollments"] = package["enrollments"].with_columns(beginDate=pl.lit("9/03/25"))
    folder, out = write_package(tmp_path / "package", package), tmp_path / "rejections.csv"
    done = command("check", folder, "--format", "oneroster", "--rejections", out)
    assert done.code == 3
    assert "24  unreadable_date (beginDate): enrollments.csv:2, enrollments.csv:3, enrollments.csv:4" in done.err
    assert "`tolerance` under [source] in the settings" in done.err
    assert str(out) in done.out
    written = pl.read_csv(out).filter(pl.col("rule") == "unreadable_date")
    assert (written.height, written["file"].unique().to_list()) == (24, ["enrollments.csv"])
    assert "9/03/25" not in done.err + done.out + out.read_text(encoding="utf-8")


def test_without_a_store_nothing_is_kept(extract: Path, tmp_path: Path) -> None:
    done = process("check", extract, cwd=tmp_path)
    assert done.code == 0
    assert "There is no earlier extract to compare with." in done.out
    assert "Not kept: there is no store at cis_ews_store" in done.out
    assert [path.name for path in tmp_path.iterdir()] == ["extract"]
    assert command("check", extract, "--accept").code == 2


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--strict",), "--strict"),
        (("--as-of", "2026-02-27"), "--as-of"),
        (("--format", "oneroster", "--accept"), "--format, --accept"),
    ],
)
def test_what_a_comparison_of_the_state_would_not_heed_is_refused(
    given: tuple[str, ...], named: str, extract: Path, tmp_path: Path
) -> None:
    beside_state = command("check", extract, "--state", "--store", tmp_path / "store", *given)
    assert (beside_state.code, f"{named} was given" in beside_state.err) == (2, True)


def test_an_extract_is_held_against_the_one_before(extract: Path, halved: Path, tmp_path: Path) -> None:
    store = ("--store", tmp_path / "store")
    first = command("check", extract, *store)
    assert "Kept, to hold the next extract against:" in first.out
    again = [command("check", extract, *store, "--html", tmp_path / f"{name}.html") for name in "ab"]
    assert "Compared with the same extract" in again[0].out
    assert again[0].out.replace("a.html", "b.html") == again[1].out
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    worse = command("check", halved, *store, "--strict")
    assert (worse.code, "EWS112 error: A table has halved" in worse.out) == (3, True)
    assert "course_grades: 48 rows then, 20 now" in worse.out
    assert "Not kept" in worse.out
    assert "1 finding of severity error" in worse.err
    assert len(list((tmp_path / "store" / "checks").iterdir())) == 1
    assert command("check", halved, *store, "--strict", "--accept").code == 0
    assert command("check", halved, *store, "--strict").code == 0
    old = command("check", extract, *store, "--json").event("checked")
    assert [each["finding"] for each in old["findings"]] == ["EWS122", "EWS113"]
    assert old["kept"] is None


def test_against_names_a_summary_a_run_or_a_store(extract: Path, halved: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    kept = Path(command("check", extract, "--store", store, "--json").event("checked")["kept"])
    assert command("score", extract, "--as-of", AS_OF, "--out", tmp_path / "night").code == 0
    (run,) = (tmp_path / "night").glob("runs/*/*")
    for path in (kept, store, run, tmp_path / "night"):
        done = command("check", halved, "--against", path)
        assert (done.code, "EWS112 error: A table has halved" in done.out) == (0, True), path
        said = " ".join(done.out.split())
        assert said.count("A run keeps rows by table and the schools") == (path in (run, tmp_path / "night"))
    beside_night = command("check", halved, "--store", tmp_path / "night", "--json").event("checked")
    assert [each["finding"] for each in beside_night["findings"]] == ["EWS112"]
    assert run.name in beside_night["compared_with"]["what"]
    assert command("check", extract, "--against", run, "--json").event("checked")["findings"] == []
    assert command("check", extract, "--against", tmp_path / "none").code == 5


def test_a_damaged_summary_is_passed_over_and_named(extract: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    kept = Path(command("check", extract, "--store", store, "--json").event("checked")["kept"])
    said = json.loads(kept.read_text(encoding="utf-8"))
    said["tables"]["students"]["read"] = 9000
    for content in (json.dumps(said), "{", "[]", ""):
        kept.write_text(content, encoding="utf-8")
        done = command("check", extract, "--store", store)
        assert (done.code, f"Passed over, since it is damaged: {kept}" in done.out.replace("\n    ", " ")) == (0, True)
        named = command("check", extract, "--against", kept)
        assert (named.code, "is damaged" in named.err) == (5, True)


def test_where_the_disk_takes_no_summary_the_findings_are_told_all_the_same(halved: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "checks").write_text("", encoding="utf-8")
    done = command("check", halved, "--store", tmp_path / "store", "--json")
    assert (done.code, done.event("checked")["kept"]) == (5, None)
    assert "a file stands where a folder is needed" in done.err


def test_two_checks_at_once_leave_whole_summaries(extract: Path, halved: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        done = pool.starmap(command, [("check", each, "--store", store, "--accept") for each in (extract, halved)])
    assert [each.code for each in done] == [0, 0]
    assert len(list((store / "checks").iterdir())) == 2
    assert "damaged" not in command("check", extract, "--store", store).out


def test_the_page_holds_what_the_terminal_shows(halved: Path, extract: Path, tmp_path: Path) -> None:
    store = ("--store", tmp_path / "store")
    command("check", extract, *store)
    page = tmp_path / "check.html"
    done = command("check", halved, *store, "--html", page)
    assert f"The page lies in {page}" in done.out.replace("\n  ", " ")
    text = page.read_text(encoding="utf-8")
    markup = Markup(text)
    assert not {"script", "link", "img", "a", "iframe"} & set(markup.tags)
    assert not {"src", "href", "srcset", "onload", "onclick"} & markup.attributes
    assert markup.tags.count("caption") == markup.tags.count("table") > 2
    for words in ("Check of halved", "EWS112 error: A table has halved", "48 rows then, 20 now", "North High"):
        assert words in markup.text
    assert "Given" not in text
    assert "s07" not in text


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_format_is_checked_and_held_against_the_one_before(tmp_path: Path, layout: str) -> None:
    def checked(name: str, tables: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
        source = LAYOUTS[layout](tmp_path / name, tables)
        done = command("check", source, "--format", layout, "--store", tmp_path / "store", "--json")
        return done.event("checked")

    assert checked("one", CLEAN)["compared_with"] is None
    again, few = checked("two", CLEAN), checked("three", HALVED)
    assert again["compared_with"]["what"].endswith("nothing has changed")
    assert again["tables"]
    assert {"EWS112"} == {each["finding"] for each in few["findings"] if each["finding"] in ("EWS111", "EWS112")}
    kept = [row["tables"]["course_grades"]["kept"] for row in again["schools"] if row["students"]]
    assert len(kept) == 2
    assert min(kept) > 0


def test_the_name_of_a_file_is_never_broken(tmp_path: Path) -> None:
    files = edfi.package_of(CLEAN)
    name = "StudentSchoolAttendanceOfTheSchoolYear2025To2026.xml"
    content = files.pop("StudentAttendance.xml")
    event, end_tag, rest = content.partition("</StudentSchoolAttendanceEvent>")
    twice = event[event.index("<StudentSchoolAttendanceEvent>") :] + end_tag
    files[name] = event + end_tag + twice + rest
    source = edfi.write_package(tmp_path / "package", files)
    done = command("check", source, "--format", "edfi")
    assert (done.code, "First rows of each" in done.out) == (0, True)
    assert f"{name}: " in done.out
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80
