"""Whatever the lists: a student alone on one of them stands where the list, made anew, would put the student."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.enums import Cause
from cis_ews.risk.alone_on_list import DECIDING, listed_alone
from cis_ews.risk.changes import tiers_beside, with_tiers
from cis_ews.risk.tier_places import ON_LIST, numbered
from cis_ews.risk.tiers import JUDGED, Capacity, TierPolicy, place_students

KEY, SCHOOLS = "student_id", ["north", "south", "a school with a long id"]
IDS = [f"s{number}" for number in range(12)] + [f"a student with a long id {number}" for number in range(4)]
DECIDED = pl.Schema({KEY: pl.String, "school_id": pl.String} | {name: JUDGED[name] for name in DECIDING})
# Few values, so that students are alike in most of them; lots differ, as hashes of ids do.
tiers, rates = st.sampled_from([2, 3]), st.sampled_from([None, 0.0, 0.1, 0.25])


@st.composite
def rows(draw: st.DrawFn, ids: list[str], *, trained: bool) -> list[dict[str, Any]]:
    """A row of each student."""
    by_rules = tiers | st.none() if trained else tiers
    found = list[dict[str, Any]]()
    for student in ids:
        says, risk = draw(by_rules), draw(rates) if trained else None
        asked = max(draw(tiers), says or 0) if trained else says
        own = {KEY: student, "school_id": draw(st.sampled_from(SCHOOLS)), "asked": asked, "by_rules": says}
        number = IDS.index(student)
        lot = 2**63 + number if number % 2 else number
        found.append(own | {"risk": risk, "flags": draw(st.integers(0, 2)), "absence_rate": draw(rates), "lot": lot})
    return found


@st.composite
def lists_and_asking(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Who is on a list, and who asks; a student may ask several times, and be on another school's list or none."""
    trained = draw(st.booleans())
    on_lists = draw(rows(draw(st.lists(st.sampled_from(IDS), unique=True)), trained=trained))
    asking = draw(rows(draw(st.lists(st.sampled_from(IDS), max_size=8)), trained=trained))
    for row in asking:
        row["limit"] = draw(st.integers(0, 6))
        row["kept"] = draw(st.integers(0, row["limit"]))
    limits = {"limit": pl.Int64, "kept": pl.Int64}
    return pl.DataFrame(on_lists, schema=DECIDED), pl.DataFrame(asking, schema=DECIDED | limits)


@given(both=lists_and_asking())
def test_a_student_alone_stands_where_the_list_would_put_the_student(both: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    lists, asking = both
    expected = list[bool]()
    for number in range(asking.height):
        one = asking[number : number + 1]
        others = lists.filter(pl.col("school_id") == one["school_id"][0], pl.col(KEY) != one[KEY][0])
        limits = [pl.lit(one[name][0], dtype=pl.Int64).alias(name) for name in ("limit", "kept")]
        every = pl.concat([one.select(lists.columns), others]).with_columns(pl.lit(0).alias("list"), *limits)
        expected.append(numbered(every).filter(pl.col(KEY) == one[KEY][0]).select(ON_LIST).item())
    assert listed_alone(asking, lists).to_list() == expected


def test_a_tie_of_everything_but_the_lot_goes_to_the_lower_one() -> None:
    row = {"school_id": "north", "asked": 3, "by_rules": 3, "risk": None, "flags": 1, "absence_rate": 0.1}
    lists = pl.DataFrame([{KEY: "on", **row, "lot": 5}], schema=DECIDED)
    asking = pl.DataFrame([{KEY: "low", **row, "lot": 4}, {KEY: "high", **row, "lot": 6}], schema=DECIDED)
    limited = asking.with_columns(limit=pl.lit(1, pl.Int64), kept=pl.lit(0, pl.Int64))
    assert listed_alone(limited, lists).to_list() == [True, False]


def _judged(found: list[dict[str, Any]]) -> pl.DataFrame:
    lacking = {"grade_level": None, "days_enrolled": 50, "risk_low": None, "risk_high": None}
    words = {"because": "a rule", "agreeing": ""}
    return pl.DataFrame([row | lacking | words for row in found], schema=JUDGED)


@given(data=st.data(), share=st.sampled_from(["0", "0.4", "1"]), number=st.integers(1, 4))
def test_some_students_get_the_tiers_of_all_lists(data: st.DataObject, share: str, number: int) -> None:
    changed = {"places_for_rules": Decimal(share), "capacity": Capacity(number=number)}
    policy = TierPolicy.load().model_copy(update=changed)
    found = data.draw(rows(IDS, trained=data.draw(st.booleans())))
    for row in found:
        kind = data.draw(st.sampled_from(["asks", "asks", "nothing asks", "not enough data"]))
        row["abstained"] = kind == "not enough data"
        if kind != "asks":
            row |= {"asked": None, "by_rules": None, "lot": None}
    judged = _judged(found)
    placed = place_students(judged, policy=policy, model_version="any")
    some = judged.filter(pl.col(KEY).is_in(data.draw(st.lists(st.sampled_from(IDS), unique=True))))
    told = tiers_beside(
        some,
        lists=judged.filter(pl.col("asked").is_not_null()).select(DECIDED.names()),
        scored=judged.group_by("school_id").agg(scored=pl.len()),
        policy=policy,
    )
    assert told.equals(some.select(KEY).join(placed, on=KEY, maintain_order="left").select(KEY, "risk", "tier"))


def test_who_asks_for_nothing_is_in_tier_1_and_who_abstains_in_none() -> None:
    found = {"school_id": "north", "asked": None, "by_rules": None, "risk": None, "flags": 0, "absence_rate": None}
    judged = _judged([{KEY: f"s{place}", **found, "lot": None, "abstained": bool(place)} for place in range(2)])
    steps = judged.with_columns(cause=pl.lit(Cause.NEW_RECORDS.value, pl.Enum(Cause)), school_before=pl.lit("north"))
    scored = pl.DataFrame({"school_id": ["north"], "scored": [2]}, schema_overrides={"scored": pl.UInt32})
    tiers = with_tiers(steps, lists=pl.DataFrame(schema=DECIDED), scored=scored, policy=TierPolicy.load())
    assert dict(tiers.select(KEY, "tier").iter_rows()) == {"s0": 1, "s1": None}
