"""Two nights beside one another: without a record nothing moves, an absence moves what it should, faults are seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from cis_ews import read_school_data
from cis_ews.schema.attendance import Reporting
from cis_ews.schema.school_data import SchoolData
from cis_ews.synthetic import write_district
from tests.lib.models import LEARNED, catalog_model
from training import nights
from training.known import known_by
from training.nights import SPEAKS, two_nights

AS_OF = date(2026, 2, 25)


@pytest.fixture(scope="module")
def school_data(tmp_path_factory: pytest.TempPathFactory) -> SchoolData:
    extract: Path = tmp_path_factory.mktemp("nights") / "extract"
    write_district(extract, students=300, years=1, seed=3, through=date(2026, 2, 27))
    return read_school_data(extract)


def test_an_absence_moves_what_speaks_of_it_and_nothing_else(school_data: SchoolData) -> None:
    found = two_nights(school_data, catalog_model(), AS_OF, seed=1)
    assert found.identical
    assert found.measured["students"] >= 10
    assert found.measured["features_beyond"] == 0
    assert found.measured["related_share"] > 0.9
    assert found.measured["others_typical"] <= found.measured["others_most"]
    assert found == two_nights(school_data, catalog_model(), AS_OF, seed=1)


def test_a_feature_that_moves_and_should_not_is_counted(
    school_data: SchoolData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nights, "SPEAKS", SPEAKS - {"absence_rate_ytd", "days_since_last_absence"})
    assert {"absence_rate_ytd", "days_since_last_absence"} <= set(LEARNED)
    found = two_nights(school_data, catalog_model(), AS_OF, seed=1)
    assert found.measured["features_beyond"] == 2
    assert found.measured["related_share"] < 0.9


def test_a_night_that_tells_something_else_is_noticed(school_data: SchoolData, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the night of a week before were the one that brings no record."""

    def week_before(_: SchoolData, day: date) -> date:
        return day - timedelta(days=7)

    monkeypatch.setattr(nights, "_day_off", week_before)
    assert not two_nights(school_data, catalog_model(), AS_OF, seed=1).identical


def test_of_schools_that_have_not_reported_the_day_nobody_is_given_an_absence(school_data: SchoolData) -> None:
    early = known_by(school_data, date(2026, 1, 15))
    found = two_nights(early, catalog_model(), AS_OF, seed=1)
    assert found.identical
    assert found.measured == {}


def test_a_school_larger_than_the_bound_is_looked_at_all_the_same(
    school_data: SchoolData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A high school alone has more students than all that are asked for: nothing would be measured of nobody."""
    monkeypatch.setattr(nights, "MOST_STUDENTS", 10)
    assert two_nights(school_data, catalog_model(), AS_OF, seed=1).measured["students"] > 0


def test_a_source_that_does_not_say_what_schools_reported_is_asked_too(school_data: SchoolData) -> None:
    silent = replace(school_data, reporting=Reporting.cast(school_data.reporting.clear()))
    found = two_nights(silent, catalog_model(), AS_OF, seed=1)
    assert found.measured["students"] > 0
    assert found.measured["features_beyond"] == 0
