"""Groups of a district, and districts beside each other: what the pages of the network make of what a night told."""

from __future__ import annotations

from datetime import UTC, date, datetime

from cis_ews.storage.pages import GROUP_COLUMNS, DistrictCounts, GroupTold
from serving.console.groups import group_view
from serving.console.network import row_of_district

MONDAY = date(2026, 1, 5)


def _told(**numbers: int | None) -> dict[str, int | None]:
    return dict.fromkeys(GROUP_COLUMNS) | numbers


def _group(attribute: str, group: str, **numbers: int | None) -> GroupTold:
    return GroupTold(district_id="d1", attribute=attribute, group=group, told=_told(**numbers))


def test_groups_are_told_of_100_by_what_is_told_of_them_alone() -> None:
    flagged = {"flagged": 50, "students": 200}
    told = [
        _group("gender", "not recorded", students=40),
        _group("gender", "X", **flagged, in_support=20, unseen=30),
        _group("gender", "F", **flagged),
        _group("low_income", "no", students=90),
        _group("low_income", "yes", students=110),
    ]
    view = group_view(told, _group("", "", flagged=100, students=800))
    assert [section.attribute for section in view.sections] == ["gender", "low_income"]
    gender, income = view.sections
    assert [(line.group, line.is_sum) for line in gender.lines] == [
        ("", True),
        ("F", False),
        ("X", False),
        ("not recorded", False),
    ]
    assert [line.group for line in income.lines] == ["", "yes", "no"]
    assert [line.flagged_share for line in gender.lines] == [12.5, 25.0, 25.0, None]
    assert [line.served_share for line in gender.lines] == [None, None, 40.0, None]
    # The chart ends at the next ten above the largest share, of all charts of the page alike.
    assert view.scale == 30
    assert [(bar.line.group, round(bar.flagged_length, 1)) for bar in gender.bars] == [
        ("", 41.7),
        ("F", 83.3),
        ("X", 83.3),
    ]
    assert [bar.served_length and round(bar.served_length, 1) for bar in gender.bars] == [None, None, 33.3]
    assert income.bars == [], "the sums alone compare nothing"
    assert [section.is_served_told for section in view.sections] == [True, False]


def test_a_night_that_told_of_no_group_has_no_section() -> None:
    assert group_view([], None).sections == []
    assert group_view([], _group("", "", students=800)).sections == []


def test_a_district_among_others_has_its_flagged_and_served_beside_each_other() -> None:
    counts = DistrictCounts(
        district_id="d1",
        ref="0" * 32,
        as_of=MONDAY,
        published_at=datetime(2026, 1, 30, tzinfo=UTC),
        students=900,
        tier_1=700,
        tier_2=100,
        tier_3=60,
        not_enough_data=40,
    )
    row = row_of_district(counts, _told(flagged=160, in_support=90, in_touch=20, unseen=50))
    assert {name: row.told[name] for name in ("flagged", "in_support", "in_touch", "unseen")} == {
        "flagged": 160,
        "in_support": 90,
        "in_touch": 20,
        "unseen": 50,
    }
    # A night that was published without it, or a forgotten student since: nothing is made up.
    assert row_of_district(counts, {}).told["flagged"] is None
