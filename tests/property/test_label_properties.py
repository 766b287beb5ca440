"""Labels two ways, and what must not change them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.errors import DataError
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.labels import LABELS, Censored, make_labels
from cis_ews.schema.school_data import TABLES, SchoolData
from tests.lib.label_districts import years
from tests.lib.label_plain import Judged, RefusedError, plain_labels
from tests.lib.plain_indicators import FAILED
from tests.lib.random_districts import STUDENTS, Night

OF_STUDENTS = [name for name, schema in TABLES.items() if "student_id" in schema.columns()]
WHOLE = ("off_track", "off_track_whole_year", "dropped_out", "not_graduated_on_time")
PARTS = tuple(name for name in LABELS if name not in WHOLE)


@pytest.mark.parametrize("name", WHOLE)
@given(night=years())
def test_every_label_equals_its_plain_definition(name: str, night: Night) -> None:
    assert library_labels(night, name) == expected_labels(night, name)


@given(night=years(), name=st.sampled_from(PARTS))
def test_every_part_of_off_track_equals_its_plain_definition(night: Night, name: str) -> None:
    assert library_labels(night, name) == expected_labels(night, name)


@given(night=years(), name=st.sampled_from(list(LABELS)))
def test_every_student_of_the_cohort_has_a_label_or_the_reason_why_not(night: Night, name: str) -> None:
    try:
        labels = make_labels(night.school_data, night.as_of, label=name)
    except DataError:
        return
    assert labels.schema == {"student_id": pl.String, "label": pl.Boolean, "censored": pl.String}
    cohort = build_cohort(night.school_data, night.as_of).students
    assert labels.get_column("student_id").to_list() == cohort.get_column("student_id").to_list()
    assert (labels.get_column("label").is_null() == labels.get_column("censored").is_not_null()).all()
    assert set(labels.get_column("censored").drop_nulls()) <= set(Censored)


@given(night=years(), name=st.sampled_from(list(LABELS)), bucket=st.sets(st.sampled_from(STUDENTS)))
def test_order_and_splitting_by_student_change_nothing(night: Night, name: str, bucket: set[str]) -> None:
    school_data = night.school_data
    pieces = []
    for inside in (pl.col("student_id").is_in(bucket), ~pl.col("student_id").is_in(bucket)):
        part: dict[str, Any] = {
            table: school_data.table(table).filter(inside).sample(fraction=1, shuffle=True, seed=7)
            for table in OF_STUDENTS
        }
        try:
            pieces.append(make_labels(replace(school_data, **part), night.as_of, label=name))
        except DataError:
            assert expected_labels(night, name) is None
            return
    assert_frame_equal(pl.concat(pieces).sort("student_id"), make_labels(school_data, night.as_of, label=name))


@pytest.mark.parametrize("name", ["course_failure", "exclusion", "off_track"])
@given(night=years())
def test_what_happened_does_not_decide_whether_a_label_is_known(name: str, night: Night) -> None:
    try:
        labels = make_labels(night.school_data, night.as_of, label=name)
    except DataError:
        return
    uneventful = make_labels(without_events(night.school_data), night.as_of, label=name)
    assert uneventful.get_column("censored").to_list() == labels.get_column("censored").to_list()


def without_events(school_data: SchoolData) -> SchoolData:
    """The same extract, had nobody been absent, suspended or failed."""
    mark = pl.col("mark")
    failed = mark.str.strip_chars().str.to_uppercase().is_in(FAILED)
    passed = school_data.course_grades.with_columns(
        pl.when(failed).then(pl.lit("A")).otherwise(mark).alias("mark"), pl.col("percent").clip(lower_bound=60)
    )
    return replace(
        school_data,
        attendance_events=school_data.attendance_events.clear(),
        discipline_actions=school_data.discipline_actions.clear(),
        course_grades=TABLES["course_grades"].cast(passed),
    )


def library_labels(night: Night, name: str) -> dict[str, Judged] | None:
    """Student -> label and reason; None where the extract cannot tell it of anybody."""
    try:
        labels = make_labels(night.school_data, night.as_of, label=name)
    except DataError:
        return None
    return {student_id: (label, censored) for student_id, label, censored in labels.iter_rows()}


def expected_labels(night: Night, name: str) -> dict[str, Judged] | None:
    try:
        return plain_labels(night.school_data, night.as_of, name)
    except RefusedError:
        return None
