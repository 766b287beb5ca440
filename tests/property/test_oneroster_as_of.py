"""Nothing that is dated after the as-of date changes what a night knows of a OneRoster gradebook."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators, read_school_data
from cis_ews.readers.oneroster_tables import ID
from cis_ews.schema.school_data import SchoolData
from tests.lib.extracts import small_district
from tests.lib.oneroster import FINAL, HOMEWORK, Package, package_of, rows, write_package

FIRST = date(2025, 9, 10)
ITEMS = {f"h{number}": (HOMEWORK, FIRST + timedelta(days=9 * number)) for number in range(6)} | {"final": (FINAL, None)}
RESULTS = st.lists(
    st.tuples(
        st.sampled_from(["s00", "s02"]),
        st.sampled_from(sorted(ITEMS)),
        st.integers(0, 10),
        st.one_of(st.none(), st.integers(0, 150)),
    ),
    max_size=12,
)


def _read(package: Package, results: list[dict[str, object]], *, as_of: date) -> SchoolData:
    with TemporaryDirectory() as folder:
        written = write_package(Path(folder), package | {"results": rows("results", results)})
        return read_school_data(written, format="oneroster", as_of=as_of)


def _known_on(result: dict[str, object]) -> date:
    """By hand: the score date, else the due date, else the end of the term."""
    said = result["scoreDate"] or ITEMS[str(result["lineItemSourcedId"])][1] or date(2026, 1, 30)
    assert isinstance(said, date)
    return said


@given(given_results=RESULTS, days=st.integers(0, 160))
@settings(max_examples=15, deadline=None)
def test_later_results_change_nothing(given_results: list[tuple[str, str, int, int | None]], days: int) -> None:
    as_of = FIRST + timedelta(days=days)
    items = [
        {ID: name, "classSourcedId": "north:math", "categorySourcedId": kind, "resultValueMax": 10, "dueDate": due}
        | {"academicSessionSourcedId": "2026-S1"}
        for name, (kind, due) in ITEMS.items()
    ]
    package = package_of(small_district()) | {"lineItems": rows("lineItems", items)}
    results: list[dict[str, object]] = [
        {ID: f"r{at}", "studentSourcedId": student, "lineItemSourcedId": item, "score": score}
        | {"scoreDate": None if day is None else FIRST + timedelta(days=day)}
        for at, (student, item, score, day) in enumerate(given_results)
    ]
    every = _read(package, results, as_of=as_of)
    known = _read(package, [each for each in results if _known_on(each) <= as_of], as_of=as_of)
    assert_frame_equal(every.course_grades, known.course_grades)
    assert_frame_equal(compute_indicators(every, as_of), compute_indicators(known, as_of))
