"""What a night tells of groups of students: sums, kept when it is published; no student's group is kept anywhere."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from cis_ews.enums import CaseAction, ContactKind, Role
from cis_ews.evaluation.groups import told_groups
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import ScoreRun, score_night
from cis_ews.storage.access import Grant
from cis_ews.storage.database import By, Database
from cis_ews.storage.database.blocks import PEOPLE, STUDENT_RECORDS
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.packing import unpacked
from cis_ews.storage.pages import GROUP_COLUMNS
from cis_ews.storage.runs import Run
from cis_ews.storage.store import RunStore
from cis_ews.support.reviews import night_rule
from cis_ews.synthetic import write_district
from tests.integration.test_cases import act
from tests.lib.deltas import write_delta
from tests.lib.people import add_person
from tests.lib.stored_nights import AS_OF, DISTRICT, contents, roster, score

DAY = date(2026, 2, 27)
RARE, COMMON = "Tuvalu", "Lakes"
"""Groups of three and of the others."""
EVERYTHING = {"tier_3": 24, "tier_2": 12, "tier_1": 40, "not_enough_data": 11}


def _students(tiers: Mapping[str, int] = EVERYTHING) -> dict[str, int | None]:
    """Student -> tier; ids in the order of tiers, so that tests can name them."""
    numbers = {"tier_3": 3, "tier_2": 2, "tier_1": 1, "not_enough_data": None}
    kinds = [(name, number) for name, count in tiers.items() for number in range(count)]
    return {f"{name}-{number:02}": numbers[name] for name, number in kinds}


def _tables(students: Mapping[str, int | None], **columns: list[Any]) -> Callable[[str], pl.DataFrame]:
    """Demographics of the students, all in one race, but for the columns given."""
    empty = dict.fromkeys(("english_learner", "disability", "low_income", "homeless", "foster"))
    given = {"race_ethnicity": [COMMON] * len(students), "gender": [None] * len(students), **empty, **columns}
    types = {"gender": pl.String, "race_ethnicity": pl.String, "english_learner": pl.String}
    rows = pl.DataFrame({"student_id": list(students)}).with_columns(
        pl.Series(name, values if isinstance(values, list) else [None] * len(students), types.get(name, pl.Boolean))
        for name, values in given.items()
    )
    return {"demographics": rows}.__getitem__


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "store")


@pytest.fixture
def publish(database: Database, store: RunStore) -> Callable[..., Run]:
    """Publishes a night with these students, as `score_night` does."""

    def night(students: Mapping[str, int | None], *, as_of: date = AS_OF, **columns: list[Any]) -> Run:
        rows = [score(student, tier=tier) for student, tier in students.items()]
        made = replace(contents(sorted(rows, key=lambda row: row["student_id"])), as_of=as_of)
        run = store.write(replace(made, config_hash=f"{as_of}{len(rows)}".ljust(64, "0")))
        rule = partial(told_groups, _tables(students, **columns))
        database.publish(run, **roster(students), rule=night_rule(UTC), groups=rule)
        return run

    return night


def _told(database: Database) -> dict[tuple[str, str], Mapping[str, int | None]]:
    found = {(each.attribute, each.group): each.told for each in database.pages.groups(DISTRICT)}
    return found | {(each.attribute, each.group): each.told for each in database.pages.district_sums(only=None)}


def test_a_night_keeps_sums_of_groups_and_of_its_district(database: Database, publish: Callable[..., Run]) -> None:
    students = _students()
    publish(students)
    # That nobody has done anything is told by no number either: the others would be none.
    sums = {"students": 87, "flagged": 36, "in_support": None, "in_touch": None, "unseen": None}
    assert _told(database) == {("", ""): sums, ("race_ethnicity", COMMON): sums}
    by = By(person_id=add_person(database, "ana@example.org", Grant(Role.COORDINATOR, "d1", "north")))
    for number in range(12):
        act(database, f"tier_3-{number:02}", CaseAction.ACCEPT, by=by)
        act(database, f"tier_2-{number:02}", CaseAction.CONTACT, by=by, contact=ContactKind.FAMILY)
    assert _told(database)["", ""]["in_support"] is None, "as the night told it, until the next one"
    publish(students, as_of=AS_OF + timedelta(days=1))
    assert _told(database)["race_ethnicity", COMMON] == sums | {"in_support": 12, "in_touch": 12, "unseen": 12}
    assert database.pages.district_sums(only=frozenset({"elsewhere"})) == []


def test_what_one_district_records_is_told_of_that_one_alone() -> None:
    students = [f"{district}-{number}" for district in ("d1", "d2") for number in range(80)]
    placed = pl.DataFrame({"student_id": students}).with_columns(
        pl.col("student_id").str.head(2).alias("district_id"),
        pl.Series("tier", [3, 2, 1, None] * 40),
        state=pl.lit(None, pl.String),
    )
    foster = ([True] * 4 + [False] * 4) * 10 + [None] * 80
    told = told_groups(_tables(dict.fromkeys(students), foster=foster), placed)
    found = told.filter(pl.col("attribute") == "foster").select("district_id", "group_name", "students").rows()
    assert found == [("d1", "no", 40), ("d1", "yes", 40)]


def test_few_students_and_what_would_give_them_away_are_stored_nowhere(
    database: Database, publish: Callable[..., Run], tmp_path: Path
) -> None:
    """Not only are they not shown: who reads the database or a backup of it finds no name of theirs and no number."""
    students = _students()
    races = [RARE] * 3 + [COMMON] * 30 + ["Hills"] * (len(students) - 33)
    publish(students, race_ethnicity=races)
    told = _told(database)
    assert [group for attribute, group in told if attribute == "race_ethnicity"] == ["Hills"], "or the sum tells three"
    assert told["race_ethnicity", "Hills"]["students"] == len(students) - 33
    assert all(number >= FEWEST for each in told.values() for number in each.values() if number is not None)
    database.backup(tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        lines = {name: archive.read(name).decode() for name in archive.namelist()}
    assert not any(RARE in text for text in lines.values())
    assert [name for name, text in lines.items() if "Hills" in text] == ["group_counts.jsonl"]
    rows = [json.loads(line) for line in lines["group_counts.jsonl"].splitlines()]
    assert {name for row in rows for name in row} == {"district_id", "attribute", "group_name", *told["", ""]}


def test_a_group_is_told_by_who_is_flagged_where_its_tiers_are_small(
    database: Database, publish: Callable[..., Run]
) -> None:
    """Of each gender six are in Tier 2, and of one four have not enough data."""
    students = _students()
    genders = {"tier_3": "f" * 12 + "m" * 12, "tier_2": "f" * 6 + "m" * 6}
    genders |= {"tier_1": "f" * 20 + "m" * 20, "not_enough_data": "f" * 4 + "m" * 7}
    publish(students, gender=list("".join(genders[tier] for tier in EVERYTHING)))
    told = _told(database)
    assert [told["gender", group]["flagged"] for group in "fm"] == [18, 18]
    assert [told["gender", group]["students"] for group in "fm"] == [42, 45]


def test_groups_do_not_add_up_to_a_tier_that_the_district_leaves_out(
    database: Database, publish: Callable[..., Run]
) -> None:
    """The state sees 24 students of Tier 3, and not that there are four of Tier 2: 28 flagged would tell."""
    students = _students(EVERYTHING | {"tier_2": 4})
    publish(students, gender=["f", "m"] * 39 + ["f"])
    told = _told(database)
    assert {each["flagged"] for each in told.values()} == {None}
    assert [told["gender", group]["students"] for group in "fm"] == [40, 39]


def test_a_night_without_the_rule_tells_nothing_and_takes_what_was_told_before(
    database: Database, publish: Callable[..., Run], store: RunStore
) -> None:
    publish(_students())
    database.publish(store.write(contents(config_hash="d" * 64)), **roster())
    assert _told(database) == {}


def test_a_night_done_again_takes_the_place_and_an_older_one_does_not(
    database: Database, publish: Callable[..., Run]
) -> None:
    publish(_students(), as_of=AS_OF)
    before = _told(database)
    publish(_students(EVERYTHING | {"tier_1": 99}), as_of=AS_OF - timedelta(days=1))
    assert _told(database) == before
    publish(_students(EVERYTHING | {"tier_1": 70}), as_of=AS_OF)
    assert _told(database)["race_ethnicity", COMMON]["students"] == 117
    assert len(_told(database)) == 2


def test_sums_go_with_a_forgotten_student_and_come_back_with_the_next_night(
    database: Database, publish: Callable[..., Run], store: RunStore, tmp_path: Path
) -> None:
    """A backup that was made before brings none of them back either."""
    students = _students()
    publish(students)
    database.backup(tmp_path / "before.zip")
    forget_student(store, database, "tier_2-00", today=date(2026, 3, 2))
    assert _told(database) == {}
    database.restore(tmp_path / "before.zip", erased=store.erased())
    assert _told(database) == {}
    left = {student: tier for student, tier in students.items() if student != "tier_2-00"}
    publish(left, as_of=AS_OF + timedelta(days=1))
    assert _told(database)["", ""]["flagged"] == 35


def test_sums_go_with_the_run_that_told_them(database: Database, publish: Callable[..., Run]) -> None:
    run = publish(_students())
    database.drop_runs([run.run_id])
    assert _told(database) == {}


@pytest.mark.parametrize(
    ("given", "kept"), [("\0", "not recorded"), (" ", "not recorded"), ("a\0b", "ab"), ("x" * 4_000, "x" * 200)]
)
def test_a_source_may_hold_anything(database: Database, publish: Callable[..., Run], given: str, kept: str) -> None:
    students = _students()
    publish(students, gender=[given] * 40 + ["f"] * (len(students) - 40))
    assert {group for attribute, group in _told(database) if attribute == "gender"} == {"f", kept}


def test_free_text_in_the_place_of_a_group_costs_no_night(database: Database, publish: Callable[..., Run]) -> None:
    """Thousands of values, each of one student: none is kept, and the night ends."""
    students = _students(EVERYTHING | {"tier_1": 5_000})
    publish(students, gender=[f"text {number}" for number in range(len(students))])
    assert {group for attribute, group in _told(database) if attribute == "gender"} == {"*"}


# Real nights


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groups") / "extract"
    write_district(folder, students=400, years=2, seed=11, through=DAY, dirt=False)
    return folder


def _night(source: Path, folder: Path, day: date = DAY, **options: Any) -> ScoreRun:
    made: dict[str, Any] = {"model": RulesModel(), "policy": TierPolicy.load(), "groups": told_groups}
    return score_night(source, store=folder, as_of=day, **(made | options))


def _rows(folder: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "cis_ews.db") as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM group_counts ORDER BY district_id, attribute, group_name").fetchall()
    return [dict(row) for row in found]


def test_a_night_in_parts_and_one_of_a_kept_state_tell_the_same(extract: Path, tmp_path: Path) -> None:
    whole = _night(extract, tmp_path / "whole")
    told = _rows(tmp_path / "whole")
    assert {row["attribute"] for row in told} >= {"", "gender", "low_income", "race_ethnicity"}
    parts = _night(extract, tmp_path / "parts", students_a_part=90)
    assert _rows(tmp_path / "parts") == told
    assert (parts.run.run_id, parts.run.manifest_sha256) == (whole.run.run_id, whole.run.manifest_sha256)
    _night(extract, tmp_path / "kept", state="keep", students_a_part=90)
    assert _rows(tmp_path / "kept") == told


def test_what_a_delta_says_of_who_is_who_is_told_by_its_night(extract: Path, tmp_path: Path) -> None:
    before = {path.stem: pl.read_csv(path, infer_schema=False) for path in extract.glob("*.csv")}
    changed = before["demographics"].with_columns(gender=pl.lit("M"))
    write_delta(before, before | {"demographics": changed}, tmp_path / "delta")
    _night(extract, tmp_path / "store", DAY - timedelta(days=1), state="keep", students_a_part=90)
    earlier = {row["group_name"]: row["students"] for row in _rows(tmp_path / "store") if row["attribute"] == "gender"}
    _night(tmp_path / "delta", tmp_path / "store", state="add", students_a_part=90)
    told = {row["group_name"]: row for row in _rows(tmp_path / "store") if row["attribute"] == "gender"}
    everybody = next(row for row in _rows(tmp_path / "store") if row["attribute"] == "")
    assert {name: told["M"][name] for name in GROUP_COLUMNS} == {name: everybody[name] for name in GROUP_COLUMNS}
    assert set(told) == {"M"}
    assert earlier["M"] < told["M"]["students"]


def test_no_part_of_a_run_and_no_other_table_holds_a_group(extract: Path, tmp_path: Path) -> None:
    """A race that nobody else has the name of stands in the sums, and in no other place of store and database."""
    marked = tmp_path / "marked"
    marked.mkdir()
    for path in extract.glob("*.csv"):
        text = pl.read_csv(path, infer_schema=False)
        if path.stem == "demographics":
            text = text.with_columns(race_ethnicity=pl.lit("Zyxwvut"))
        text.write_csv(marked / path.name)
    night = _night(marked, tmp_path / "store")
    assert any(row["group_name"] == "Zyxwvut" for row in _rows(tmp_path / "store"))
    for path in night.run.path.iterdir():
        held = pl.read_parquet(path).write_csv() if path.suffix == ".parquet" else path.read_text(encoding="utf-8")
        assert "Zyxwvut" not in held
    with Database(f"sqlite:///{tmp_path}/store/cis_ews.db") as database:
        database.backup(tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        for name in set(archive.namelist()) - {"group_counts.jsonl"}:
            assert b"Zyxwvut" not in archive.read(name)
    connections = Connections(f"sqlite:///{tmp_path}/store/cis_ews.db")
    with connections.reading() as connection:
        for blocks in (PEOPLE, STUDENT_RECORDS):
            held = [unpacked(block) for block in connection.scalars(select(blocks.table.c.block))]
            assert sum(each.height for each in held) >= night.scores.height
            assert "Zyxwvut" not in str([each.to_dicts() for each in held])
    connections.close()
