"""OneRoster packages become school data: rosters, grades, manifests, deltas, tolerances; every row accounted for."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.enums import CoverageLevel
from cis_ews.errors import ConfigError, ReadError, SchemaError
from cis_ews.readers import read_school_data
from cis_ews.readers.cells import moments
from cis_ews.readers.oneroster_tables import ID, KNOWN
from cis_ews.readers.subjects import subject_of
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.wording import counted
from tests.lib.dirt import accounted, clean_frames, leaks, rules_broken, zip_of
from tests.lib.extracts import small_district, write_extract
from tests.lib.oneroster import FINAL, HOMEWORK, Package, changed, package_of, rows, write_package
from tests.lib.spoilers import told

NOT_TOLD = {
    "schools": ["level"],
    "course_grades": ["grade_points", "credits_attempted", "credits_earned"],
}


def read(path: Path, format: str = "oneroster") -> SchoolData:  # noqa: A002  the word that callers know
    return read_school_data(path, format=format)


def notes(data: SchoolData, start: str) -> list[str]:
    return [note for note in data.coverage.notes if note.startswith(start)]


def all_accounted(data: SchoolData) -> bool:
    return all(read == kept for read, kept in accounted(data).values())


@pytest.fixture
def package() -> Package:
    return package_of(small_district())


@pytest.mark.parametrize("tables", [small_district(), clean_frames()], ids=["small", "clean"])
def test_a_district_is_the_same_through_a_package(tmp_path: Path, tables: dict[str, pl.DataFrame]) -> None:
    plain = read_school_data(write_extract(tmp_path / "plain", tables))
    ours = read(write_package(tmp_path / "package", package_of(tables)))
    for table in ("schools", "calendar_days", "students", "enrollments", "course_grades"):
        told_of = [name for name in TABLES[table].columns() if name not in NOT_TOLD.get(table, [])]
        assert_frame_equal(ours.table(table).select(told_of), plain.table(table).select(told_of))
    assert ours.rejections.is_empty()
    assert all_accounted(ours)


def test_no_attendance_and_no_discipline_and_it_says_so(tmp_path: Path, package: Package) -> None:
    coverage = read(write_package(tmp_path, package)).coverage
    assert coverage.attendance.level is coverage.behavior.level is CoverageLevel.NONE
    assert coverage.coursework.level is CoverageLevel.FULL
    assert any("no attendance and no discipline" in note for note in coverage.notes)
    assert any(note.startswith("calendar_days: derived from the academic sessions") for note in coverage.notes)


def test_a_roster_without_a_gradebook_is_read(tmp_path: Path, package: Package) -> None:
    for file in ("results", "lineItems", "categories"):
        del package[file]
    data = read(write_package(tmp_path, package))
    assert (data.students.height, data.course_grades.height) == (24, 0)
    assert data.coverage.coursework.level is CoverageLevel.NONE


def test_a_zip_is_the_same_as_its_folder(tmp_path: Path, package: Package) -> None:
    folder = write_package(tmp_path / "package", package)
    packed = zip_of(tmp_path / "package.zip", {path.name: path.read_bytes() for path in folder.iterdir()})
    one, two = read(folder), read(packed)
    assert all(one.table(table).equals(two.table(table)) for table in TABLES)


def test_an_archive_that_climbs_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="climbs out"):
        read(zip_of(tmp_path / "package.zip", {"../orgs.csv": b"sourcedId\n"}))


def deltas(package: Package) -> tuple[Package, Package]:
    """A delta (a student renamed, one withdrawn with everything, a grade corrected), and the bulk after it."""
    gone = package["results"].filter(pl.col("studentSourcedId") == "s05")[ID]
    delta = {
        "users": pl.concat(
            [
                changed(package["users"], ["s03"], familyName="New"),
                changed(package["users"], ["s05"], status="ToBeDeleted"),
            ]
        ),
        "roles": changed(package["roles"], ["role-s05"], status="tobedeleted"),
        "demographics": changed(package["demographics"], ["s05"], status="tobedeleted"),
        "enrollments": changed(package["enrollments"], ["enrollment-5"], status="tobedeleted"),
        "results": pl.concat(
            [
                changed(package["results"], ["result-0"], textScore="C"),
                changed(package["results"], gone, status="tobedeleted"),
            ]
        ),
    }
    merged = {
        file: pl.concat(
            [
                frame if file not in delta else frame.join(delta[file], on=ID, how="anti"),
                *([delta[file].filter(pl.col("status") == "active")] if file in delta else []),
            ]
        )
        for file, frame in package.items()
    }
    return delta, merged


def test_a_bulk_and_its_delta_are_the_merged_bulk(tmp_path: Path, package: Package) -> None:
    delta, merged = deltas(package)
    write_package(tmp_path / "both/2026-02-01", package)
    write_package(tmp_path / "both/2026-02-02", delta, mode="delta")
    two, one = read(tmp_path / "both"), read(write_package(tmp_path / "merged", merged))
    assert two.students.height == 23
    for table in TABLES:
        assert_frame_equal(two.table(table), one.table(table))
    assert all_accounted(two)
    assert "users: 1 row withdrawn (tobedeleted)" in two.coverage.notes


def test_packages_may_be_archives_side_by_side(tmp_path: Path, package: Package) -> None:
    delta, merged = deltas(package)
    (tmp_path / "both").mkdir()
    for name, each, mode in (("1-bulk", package, "bulk"), ("2-delta", delta, "delta")):
        folder = write_package(tmp_path / name, each, mode=mode)
        zip_of(tmp_path / f"both/{name}.zip", {path.name: path.read_bytes() for path in folder.iterdir()})
    two, one = read(tmp_path / "both"), read(write_package(tmp_path / "merged", merged))
    assert all(two.table(table).equals(one.table(table)) for table in TABLES)


def test_a_delta_that_is_older_than_what_is_known_changes_nothing(tmp_path: Path, package: Package) -> None:
    known = package | {"users": package["users"].with_columns(dateLastModified=pl.lit("2026-03-01T00:00:00.000Z"))}
    write_package(tmp_path / "1", known)
    write_package(tmp_path / "2", {"users": changed(package["users"], ["s03"], familyName="Old")}, mode="delta")
    assert set(read(tmp_path).students["last_name"]) == {"Family"}


def test_a_delta_without_a_bulk_is_refused(tmp_path: Path, package: Package) -> None:
    with pytest.raises(ReadError, match="no bulk comes before it"):
        read(write_package(tmp_path, package, mode="delta"))


def test_a_file_that_the_manifest_promises_must_be_there(tmp_path: Path, package: Package) -> None:
    (write_package(tmp_path, package) / "users.csv").unlink()
    with pytest.raises(ReadError, match="1 file promised and not there: users"):
        read(tmp_path)


def test_a_file_that_the_manifest_calls_absent_is_passed_over_and_said(tmp_path: Path, package: Package) -> None:
    results = package.pop("results")
    results.write_csv(write_package(tmp_path, package) / "results.csv")
    data = read(tmp_path)
    assert data.course_grades.is_empty()
    assert notes(data, "manifest.csv: it says that results is absent")


def test_without_a_manifest_every_file_is_bulk(tmp_path: Path, package: Package) -> None:
    (write_package(tmp_path, package) / "manifest.csv").unlink()
    data = read(tmp_path)
    assert data.students.height == 24
    assert notes(data, "the package: there is no manifest.csv")


def test_a_folder_that_is_no_package_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "orgs.csv").write_text("sourcedId\n")
    with pytest.raises(ReadError, match="2 OneRoster files missing: academicSessions, users"):
        read(tmp_path)


def test_headings_in_other_forms_are_understood_and_told(tmp_path: Path, package: Package) -> None:
    package["users"] = package["users"].rename(
        {"dateLastModified": "dataLastModified", "preferredGivenName": "prefferedGivenName", "givenName": "GIVENNAME"}
    )
    package["orgs"] = package["orgs"].with_columns(pl.lit("x").alias("metadata.x"), pl.lit("x").alias("ext_y"), z=None)
    data = read(write_package(tmp_path, package))
    assert data.students["first_name"].null_count() == 0
    assert notes(data, "users.csv: 3 headings written in another way: dateLastModified, givenName, preferredGivenName")
    assert "orgs.csv: 2 extension columns kept aside" in data.coverage.notes
    assert "orgs.csv: 1 column unknown to OneRoster" in data.coverage.notes


def test_a_column_that_is_there_twice_in_two_spellings_is_refused(tmp_path: Path, package: Package) -> None:
    package["users"] = package["users"].with_columns(GivenName=pl.lit("MARKERNAME"))
    with pytest.raises(SchemaError, match="1 column is there twice: givenName"):
        read(write_package(tmp_path, package))


def test_file_names_in_another_case_are_found(tmp_path: Path, package: Package) -> None:
    folder = write_package(tmp_path, package)
    (folder / "lineItems.csv").rename(folder / "lineitems.CSV")
    data = read(folder)
    assert data.course_grades.height == 48
    assert "lineitems.CSV: taken for lineItems.csv" in data.coverage.notes


def test_dates_truths_and_words_in_other_forms_are_read_and_counted(tmp_path: Path, package: Package) -> None:
    package["enrollments"] = package["enrollments"].with_columns(
        beginDate=pl.lit("9/03/2025"), role=pl.lit("Student"), status=pl.lit("Active")
    )
    package["demographics"] = package["demographics"].with_columns(asian=pl.lit("TRUE"))
    data = read(write_package(tmp_path, package))
    assert set(data.enrollments["entry_date"]) == {date(2025, 9, 3)}
    assert set(data.demographics["race_ethnicity"]) == {"Asian"}
    assert notes(data, "enrollments: beginDate: 24 cells were read as dates in another form")
    assert "demographics: asian: 24 cells say true or false in another form" in data.coverage.notes


@pytest.mark.parametrize("cell", ["9/03/25", "25-09-03", "0025-09-03", "09-03-25"])
def test_a_year_of_two_digits_is_refused(tmp_path: Path, package: Package, cell: str) -> None:
    first = pl.int_range(pl.len()) == 0
    entered = pl.when(first).then(pl.lit(cell)).otherwise("beginDate")
    package["enrollments"] = package["enrollments"].with_columns(beginDate=entered)
    data = read_school_data(write_package(tmp_path, package), format="oneroster", tolerance=0.1)
    assert ("unreadable_date", 2, "beginDate") in rules_broken(data, "enrollments")
    assert min(data.enrollments["entry_date"]) > date(2000, 1, 1)


def test_moments_are_told_in_any_zone_and_precision() -> None:
    said = [
        "2026-02-01T00:00:00.000Z",
        "2026-02-01T01:00:00+01:00",
        "2026-02-01",
        "2026-01-31 19:00:00-0500",
        "2026-02-01T00:00Z",
        "2026-02-01T00:00:00.5Z",
        "2026-02-01T00:00:00.50+00:00",
        "yesterday",
        None,
    ]
    found = moments(pl.Series(said)).to_list()
    assert found == [datetime(2026, 2, 1)] * 5 + [datetime(2026, 2, 1, microsecond=500_000)] * 2 + [None, None]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-03-01T00:00:00+02:00", "2026-02-28T23:00:00Z"),  # as texts they are the other way round
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.5Z"),
    ],
)
def test_the_row_that_was_modified_last_stands(tmp_path: Path, package: Package, earlier: str, later: str) -> None:
    assert earlier > later
    write_package(tmp_path / "1", package | {"users": package["users"].with_columns(dateLastModified=pl.lit(later))})
    old = changed(package["users"], ["s03"], familyName="Old").with_columns(dateLastModified=pl.lit(earlier))
    write_package(tmp_path / "2", {"users": old}, mode="delta")
    assert set(read(tmp_path).students["last_name"]) == {"Family"}


def test_a_comma_without_quotation_marks_is_no_shifted_row(tmp_path: Path, package: Package) -> None:
    folder = write_package(tmp_path, package)
    lines = (folder / "users.csv").read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].replace("Given", "Given,Marker", 1)  # ends in an empty cell all the same
    text = "\n".join([*lines[:5], f"{lines[5]},", *lines[6:]])
    (folder / "users.csv").write_text(f"{text}\n", encoding="utf-8")
    data = read_school_data(folder, format="oneroster", tolerance=0.1)
    assert ("ragged_row", 4, None) in rules_broken(data, "students")
    assert data.students.height == 23
    assert set(data.students["last_name"]) == {"Family"}
    assert notes(data, "users.csv: 1 row")
    (folder / "users.csv").write_text("\n".join([lines[0], *(f"{line}," for line in lines[1:])]), encoding="utf-8")
    assert read_school_data(folder, format="oneroster", tolerance=0.1).students.height == 23


def test_a_package_without_a_student_says_so(tmp_path: Path, package: Package) -> None:
    package["roles"] = package["roles"].with_columns(role=pl.lit("guardian"))
    with pytest.raises(SchemaError, match=r"users\.csv: none of 25 users is a student"):
        read(write_package(tmp_path, package))


@pytest.mark.parametrize(("title", "subject"), [("Home Economics", "other"), ("Economics", "social_studies")])
def test_home_economics_is_no_social_study(title: str, subject: str) -> None:
    words = pl.DataFrame({"codes": pl.Series([None], dtype=pl.String), "title": [title]})
    assert words.select(subject_of(("codes",), ("title",))).item() == subject


def test_another_encoding_and_a_byte_order_mark_are_read(tmp_path: Path, package: Package) -> None:
    folder = write_package(tmp_path, package)
    users = package["users"].with_columns(familyName=pl.lit("Peña")).write_csv()
    (folder / "users.csv").write_bytes(users.encode("cp1252"))
    (folder / "orgs.csv").write_bytes(package["orgs"].write_csv().encode("utf-8-sig"))
    data = read(folder)
    assert set(data.students["last_name"]) == {"Peña"}
    assert "users.csv: read as cp1252" in data.coverage.notes


@pytest.mark.parametrize(
    ("file", "column", "cell", "table", "rule"),
    [
        ("enrollments", "beginDate", "2025-02-30", "enrollments", "unreadable_date"),
        ("enrollments", "endDate", "2025-09-02", "enrollments", "exit_not_before_entry"),
        ("enrollments", "userSourcedId", "MARKERID", "enrollments", "student_known"),
        ("enrollments", "schoolSourcedId", "nowhere", "enrollments", "school_known"),
        ("results", "score", "eighty", "course_grades", "unreadable_number"),
        ("results", "score", "121", "course_grades", "out_of_range"),
        ("results", "lineItemSourcedId", "nothing", "course_grades", "line_item_known"),
        ("results", "studentSourcedId", "teacher", "course_grades", "student_known"),
        ("results", "scoreDate", "yesterday", "course_grades", "unreadable_date"),
        ("users", ID, None, "students", "missing"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_place(
    tmp_path: Path, package: Package, file: str, column: str, cell: str | None, table: str, rule: str
) -> None:
    frame = package[file].with_row_index("at")
    changed_cell = pl.when(pl.col("at") == 4).then(pl.lit(cell, dtype=pl.String)).otherwise(column).alias(column)
    package[file] = frame.with_columns(changed_cell).drop("at")
    data = read_school_data(write_package(tmp_path, package), format="oneroster", tolerance=0.5)
    assert (rule, 6, column) in rules_broken(data, table)
    assert all_accounted(data)
    assert leaks(told(data)) == []


def test_classes_of_a_school_are_one_enrollment_until_the_last_is_left(tmp_path: Path, package: Package) -> None:
    spell = {"classSourcedId": "north:home", "schoolSourcedId": "north", "userSourcedId": "s00", "role": "student"}
    of_others = package["enrollments"].filter(pl.col("userSourcedId") != "s00")
    dated = [("2025-09-03", "2026-01-30"), ("2025-10-01", "2025-11-14")]  # one ends with its term
    stays = rows(
        "enrollments", ({ID: f"x{i}", **spell, "beginDate": a, "endDate": b} for i, (a, b) in enumerate(dated))
    )
    leaves = stays.with_columns(endDate=pl.lit("2025-11-14"))
    back = rows("enrollments", [{ID: "x9", **spell, "beginDate": "2026-02-02"}])
    for name, ours, expected in (
        ("stays", [stays], [(date(2025, 9, 3), None)]),
        ("leaves", [leaves], [(date(2025, 9, 3), date(2025, 11, 14))]),
        ("back", [leaves, back], [(date(2025, 9, 3), date(2025, 11, 14)), (date(2026, 2, 2), None)]),
    ):
        data = read(write_package(tmp_path / name, package | {"enrollments": pl.concat([of_others, *ours])}))
        spells = data.enrollments.filter(pl.col("student_id") == "s00").select("entry_date", "exit_date")
        assert spells.rows() == expected, name
        assert all_accounted(data)


def test_a_class_of_several_school_years_enrolls_in_each_that_is_reached(tmp_path: Path, package: Package) -> None:
    """A homeroom that goes on for years: whoever is in it now is enrolled now."""
    before = {ID: "2025-S2", "title": "S2", "type": "term", "schoolYear": "2025"}
    before |= {"startDate": "2025-02-03", "endDate": "2025-06-13"}
    sessions = package["academicSessions"]
    package["academicSessions"] = pl.concat([rows("academicSessions", [before]), sessions], how="diagonal")
    homes = package["classes"]["termSourcedIds"]
    package["classes"] = package["classes"].with_columns(("2025-S2," + homes).alias("termSourcedIds"))
    spans = {"s00": ("2025-02-10", None), "s01": ("2025-02-10", "2025-04-30"), "s02": ("2025-09-08", None)}
    ids = pl.col("userSourcedId")
    kept = package["enrollments"].filter(ids.is_in(list(spans)))
    package["enrollments"] = kept.with_columns(
        ids.replace_strict({who: span[at] for who, span in spans.items()}, return_dtype=pl.String).alias(column)
        for at, column in enumerate(("beginDate", "endDate"))
    )
    package["users"] = package["users"].filter(pl.col(ID).is_in([*spans, "teacher"]))
    package |= {file: package[file].clear() for file in ("results", "demographics")}
    data = read(write_package(tmp_path, package))
    assert data.enrollments.select("student_id", "school_year", "entry_date", "exit_date").rows() == [
        ("s00", 2025, date(2025, 2, 10), None),
        ("s00", 2026, date(2025, 9, 3), None),
        ("s01", 2025, date(2025, 2, 10), date(2025, 4, 30)),
        ("s02", 2026, date(2025, 9, 8), None),
    ]
    assert notes(data, "enrollments: 1 go on into a further school year of their class")
    assert all_accounted(data)


def test_a_student_in_no_class_is_enrolled_in_the_school_of_the_role(tmp_path: Path, package: Package) -> None:
    package["enrollments"] = package["enrollments"].filter(pl.col("userSourcedId") != "s01")
    data = read(write_package(tmp_path, package))
    spell = data.enrollments.filter(pl.col("student_id") == "s01").select("school_id", "entry_date").row(0)
    assert spell == ("south", date(2025, 9, 3))
    assert notes(data, "enrollments: 1 student is in no class")


@pytest.mark.parametrize(
    ("column", "places", "expected"),
    [
        ("identifier", None, "local-s00"),
        ("userMasterIdentifier", None, "local-s00"),
        ("identifier", '["sourcedId"]', "s00"),
        ("userIds", None, "s00"),
        ("userIds", '["userIds:SSID", "sourcedId"]', "local-s00"),
    ],
)
def test_whose_id_a_student_has_is_chosen(
    tmp_path: Path, package: Package, column: str, places: str | None, expected: str
) -> None:
    local = pl.format("local-{}", ID)
    made = local if column != "userIds" else pl.concat_str(pl.lit("{Fed:9},{ssid:"), local, pl.lit("}"))
    package["users"] = package["users"].with_columns(made.alias(column))
    (tmp_path / "choice.toml").write_text(f'reader = "oneroster"\n{f"student_id = {places}" if places else ""}\n')
    data = read(write_package(tmp_path / "package", package), str(tmp_path / "choice.toml"))
    assert data.students["student_id"][0] == expected
    assert set(data.course_grades["student_id"]) <= set(data.students["student_id"])


def test_a_student_without_the_chosen_id_is_kept_and_counted(tmp_path: Path, package: Package) -> None:
    made = pl.when(pl.col(ID) != "s00").then(pl.format("local-{}", ID))
    package["users"] = package["users"].with_columns(made.alias("identifier"))
    data = read(write_package(tmp_path, package))
    assert data.students.height == 24
    assert "students: 1 has no identifier; their sourcedId stands for it" in data.coverage.notes


def test_a_mistake_in_the_choices_names_the_key(tmp_path: Path, package: Package) -> None:
    (tmp_path / "choice.toml").write_text('reader = "oneroster"\nstudent_ids = ["username"]\n')
    with pytest.raises(ConfigError, match="student_ids"):
        read(write_package(tmp_path / "package", package), str(tmp_path / "choice.toml"))


def gradebook(package: Package, *results: dict[str, str]) -> Package:
    """The package with four homework line items of one course, and these results of one student."""
    items = [
        {ID: f"h{at}", "classSourcedId": "north:math", "categorySourcedId": category, "resultValueMax": most}
        | {"academicSessionSourcedId": "2026-S1", "dueDate": f"2025-10-0{at}"}
        for at, category, most in ((1, HOMEWORK, 10), (2, HOMEWORK, 30), (3, "cat-test", 50), (4, "cat-test", 50))
    ]
    kinds = [{ID: HOMEWORK, "title": "Homework", "weight": "20"}, {ID: "cat-test", "title": "Test", "weight": "80"}]
    made = [{ID: f"r{at}", "studentSourcedId": "s00", **each} for at, each in enumerate(results)]
    return package | {
        "categories": rows("categories", kinds),
        "lineItems": rows("lineItems", items),
        "results": rows("results", made),
    }


def grade_of(data: SchoolData) -> tuple[object, ...]:
    return data.course_grades.select("percent", "mark", "graded_on", "is_final").row(0)


def test_a_standing_weighs_categories_as_a_gradebook_does(tmp_path: Path, package: Package) -> None:
    scores = (("h1", "5"), ("h2", "25"), ("h3", "40"), ("h4", "30"))
    book = gradebook(package, *({"lineItemSourcedId": item, "score": score} for item, score in scores))
    data = read(write_package(tmp_path, book))
    # Homework 30 of 40 points, tests 70 of 100: 0.2 * 75 % + 0.8 * 70 %.
    assert grade_of(data) == (71.0, None, date(2025, 10, 4), False)
    assert all_accounted(data)


def test_a_category_that_weighs_nothing_counts_nothing(tmp_path: Path, package: Package) -> None:
    book = gradebook(package, {"lineItemSourcedId": "h1", "score": "1"}, {"lineItemSourcedId": "h3", "score": "45"})
    weights = pl.when(pl.col("title") == "Homework").then(pl.lit("0")).otherwise("weight")
    book["categories"] = book["categories"].with_columns(weight=weights)
    assert grade_of(read(write_package(tmp_path, book)))[0] == 90.0


def test_without_weights_points_are_added_up(tmp_path: Path, package: Package) -> None:
    book = gradebook(package, {"lineItemSourcedId": "h1", "score": "5"}, {"lineItemSourcedId": "h3", "score": "40"})
    book["categories"] = book["categories"].with_columns(weight=pl.lit(None, dtype=pl.String))
    assert grade_of(read(write_package(tmp_path, book)))[0] == 75.0


def test_missing_late_and_incomplete_results_are_counted(tmp_path: Path, package: Package) -> None:
    book = gradebook(
        package,
        {"lineItemSourcedId": "h1", "score": "5", "late": "true"},
        {"lineItemSourcedId": "h2", "missing": "true"},
        {"lineItemSourcedId": "h3", "inProgress": "true"},
        {"lineItemSourcedId": "h4", "incomplete": "true"},
    )
    data = read(write_package(tmp_path / "package", book))
    assert grade_of(data)[0] == 50.0
    assert notes(data, "results: 1 in progress, 1 incomplete, 1 late, 1 missing, 0 exempt")
    assert assigned(data) == (4, 3)
    (tmp_path / "zero.toml").write_text('reader = "oneroster"\nmissing_is_zero = true\n')
    assert grade_of(read(tmp_path / "package", str(tmp_path / "zero.toml")))[0] == 12.5
    assert all_accounted(data)


def assigned(data: SchoolData) -> tuple[object, ...]:
    return data.course_grades.select("assignments", "assignments_missing_or_late").row(0)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        # Both flags of one result count once; a flag that says no tells of it too; exempt is neither.
        (
            ({"late": "true", "missing": "true"}, {"late": "false"}, {"scoreStatus": "exempt", "missing": "true"}),
            (2, 1),
        ),
        (({"scoreStatus": "not submitted"}, {"scoreStatus": "fully graded", "score": "5"}), (2, 1)),
        (({"scoreStatus": "fully graded", "score": "5"}, {"scoreStatus": "submitted"}), (None, None)),
        (({"score": "5"}, {"inProgress": "true"}), (None, None)),
        (({"incomplete": "false", "score": "5"}, {"score": "4"}), (2, 0)),
    ],
)
def test_missing_and_late_assignments_are_told_where_the_source_tells_of_them(
    tmp_path: Path, package: Package, cells: tuple[dict[str, str], ...], found: tuple[int | None, int | None]
) -> None:
    book = gradebook(package, *({"lineItemSourcedId": f"h{at}", **each} for at, each in enumerate(cells, start=1)))
    data = read(write_package(tmp_path, book))
    assert assigned(data) == found
    assert all_accounted(data)


def test_assignments_are_those_known_on_a_day_beside_a_final_grade_too(tmp_path: Path, package: Package) -> None:
    book = gradebook(
        package,
        {"lineItemSourcedId": "h1", "score": "5", "late": "true", "scoreDate": "2025-10-01"},
        {"lineItemSourcedId": "h2", "missing": "true"},  # due on 2 October
        {"lineItemSourcedId": "h3", "missing": "true", "scoreDate": "2025-12-01"},
        {"lineItemSourcedId": "h4", "score": "45", "textScore": "A", "scoreDate": "2025-11-01"},
    )
    final = {ID: FINAL, "title": "Final Grade"}
    book["categories"] = pl.concat([book["categories"], rows("categories", [final])])
    is_last = pl.col(ID) == "h4"
    kind = pl.when(is_last).then(pl.lit(FINAL)).otherwise("categorySourcedId").alias("categorySourcedId")
    book["lineItems"] = book["lineItems"].with_columns(kind)
    folder = write_package(tmp_path, book)
    for day, found, mark in ((1, (1, 1), None), (2, (2, 2), None), (32, (2, 2), "A"), (62, (3, 3), "A")):
        data = read_school_data(folder, format="oneroster", as_of=date(2025, 9, 30) + timedelta(days=day))
        assert (assigned(data), data.course_grades["mark"].item()) == (found, mark)
    # Read for no day, the final grade of November knows nothing of what was missing in December.
    assert assigned(read(folder)) == (None, None)
    is_earlier = pl.col("scoreDate").is_null() | (pl.col("scoreDate") < "2025-12-01")
    book["results"] = book["results"].filter(is_earlier)
    assert assigned(read(write_package(tmp_path / "earlier", book))) == (2, 2)


def test_a_course_with_nothing_but_missing_results_is_a_grade_without_mark(tmp_path: Path, package: Package) -> None:
    data = read(write_package(tmp_path, gradebook(package, {"lineItemSourcedId": "h2", "missing": "true"})))
    assert grade_of(data) == (None, None, date(2025, 10, 2), False)


def test_words_are_read_by_their_score_scale(tmp_path: Path, package: Package) -> None:
    book = gradebook(package, {"lineItemSourcedId": "h3", "textScore": "b"})
    scale = {ID: "scale", "classSourcedId": "north:math", "scoreScaleValue": "{A:94},{B:84}"}
    book["scoreScales"] = rows("scoreScales", [scale])
    assert grade_of(read(write_package(tmp_path, book)))[0] == 84.0


def test_a_final_grade_stands_before_the_standing(tmp_path: Path, package: Package) -> None:
    book = gradebook(
        package,
        {"lineItemSourcedId": "h1", "score": "1"},
        {"lineItemSourcedId": "h3", "score": "45", "textScore": "A-", "scoreDate": "2026-01-30"},
    )
    book["categories"] = book["categories"].with_columns(title=pl.lit("Final grade"))
    assert grade_of(read(write_package(tmp_path, book))) == (90.0, "A-", date(2026, 1, 30), True)


def test_columns_of_earlier_versions_are_read_without_a_word(tmp_path: Path, package: Package) -> None:
    school_of = package["enrollments"].select(pl.col("userSourcedId").alias(ID), orgs=pl.col("schoolSourcedId"))
    package["users"] = (
        package["users"]
        .drop("primaryOrgSourcedId")
        .join(school_of, on=ID, how="left")
        .with_columns(role=pl.when(pl.col(ID) != "teacher").then(pl.lit("student")).otherwise(pl.lit("teacher")))
        .with_columns(orgSourcedIds=pl.col("orgs"))
        .drop("orgs")
    )
    del package["roles"]
    package["lineItems"] = package["lineItems"].rename({"academicSessionSourcedId": "gradingPeriodSourcedId"})
    data = read(write_package(tmp_path, package))
    assert (data.students.height, data.course_grades.height) == (24, 48)
    assert not [note for note in data.coverage.notes if "another way" in note]


def test_every_file_of_the_standard_is_known_and_the_unused_are_no_surprise(tmp_path: Path, package: Package) -> None:
    whole = {file: package.get(file, rows(file, [])) for file in KNOWN}
    data = read(write_package(tmp_path, whole))
    assert not [note for note in data.coverage.notes if "unknown" in note or "passed over" in note]
    shutil.rmtree(tmp_path)


def test_a_later_result_does_not_hide_what_was_known(tmp_path: Path, package: Package) -> None:
    book = gradebook(
        package,
        {"lineItemSourcedId": "h1", "score": "5", "scoreDate": "2025-10-01"},
        {"lineItemSourcedId": "h2", "score": "30"},  # known when it is due, on 2 October
        {"lineItemSourcedId": "h3", "score": "50", "scoreDate": "2025-12-01"},
    )
    due = pl.when(pl.col(ID) != "h4").then("dueDate")
    book["lineItems"] = book["lineItems"].with_columns(dueDate=due)
    undated = {ID: "r9", "lineItemSourcedId": "h4", "studentSourcedId": "s00", "score": "0"}
    book["results"] = pl.concat([book["results"], rows("results", [undated])])
    folder = write_package(tmp_path, book)
    for as_of, percent, graded_on, unknown in (
        (date(2025, 9, 30), None, None, 4),
        (date(2025, 10, 1), 50.0, date(2025, 10, 1), 3),
        (date(2025, 11, 1), 87.5, date(2025, 10, 2), 2),
        (date(2025, 12, 24), 97.5, date(2025, 12, 1), 1),
        (date(2026, 1, 30), 57.5, date(2026, 1, 30), 0),  # without a date a result is known when its term is over
        (None, 57.5, date(2026, 1, 30), 0),
    ):
        data = read_school_data(folder, format="oneroster", as_of=as_of)
        said = [] if percent is None else [(percent, graded_on)]
        assert data.course_grades.select("percent", "graded_on").rows() == said, as_of
        assert bool(notes(data, f"course_grades: {counted(unknown, 'result is', 'results are')} not known on")) == bool(
            unknown
        )
        assert all_accounted(data)
