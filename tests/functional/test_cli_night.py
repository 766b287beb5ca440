"""The verbs about a night: score, flags, explain, export."""

from __future__ import annotations

import shlex
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from cis_ews.cli.options import parse_day
from cis_ews.enums import CaseAction, CaseState
from cis_ews.storage.access import Scope
from cis_ews.storage.cases import Move
from cis_ews.storage.database import By, Database
from cis_ews.storage.store import RunStore
from tests.lib.command import command, process
from tests.lib.extracts import AS_OF, STUDENTS, small_district, write_extract


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an extract and the store of one night."""
    folder = tmp_path_factory.mktemp("night")
    write_extract(folder / "extract", small_district())
    assert command("score", folder / "extract", "--as-of", AS_OF, "--out", folder / "store").code == 0
    return folder


def test_score_prints_flow_tiers_and_where_the_run_lies(scored: Path, tmp_path: Path) -> None:
    done = process("score", scored / "extract", "--as-of", AS_OF, "--out", tmp_path / "store")
    assert done.code == 0
    run = RunStore(tmp_path / "store").latest()
    for words in ("Cohort flow", "No row was rejected", "Tiers by school", "all schools", str(run.path)):
        assert words in done.out
    assert "indicators:" in done.err
    assert {"s00", "s01"} & set(done.out.split()) == set()


def test_score_as_json(scored: Path) -> None:
    done = command("score", scored / "extract", "--as-of", AS_OF, "--out", scored / "store", "--json")
    result = done.event("scored")
    assert result["is_new"] is False
    assert result["counts"]["students"] == STUDENTS
    assert sum(school["students"] for school in result["schools"]) == STUDENTS
    assert result["rows_after_as_of"]["attendance_events"] > 0
    assert "publish" in [event["step"] for event in done.events if event["event"] == "step"]


def test_score_takes_the_store_and_the_policy_from_the_settings(scored: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[capacity]\nnumber = 1\n", encoding="utf-8")
    (tmp_path / "settings.toml").write_text(
        f'[store]\npath = "{tmp_path / "store"}"\n[policy]\ntiers = "{tmp_path / "policy.toml"}"\n', encoding="utf-8"
    )
    done = command("--config", tmp_path / "settings.toml", "score", scored / "extract", "--as-of", AS_OF)
    assert done.code == 0
    scores = RunStore(tmp_path / "store").latest().table("scores")
    assert scores.filter(pl.col("tier") > 1).group_by("school_id").len()["len"].to_list() == [1, 1]


@pytest.mark.parametrize(("word", "days_ago"), [("today", 0), ("yesterday", 1)])
def test_as_of_understands_today_and_yesterday(word: str, days_ago: int) -> None:
    before = date.today()
    understood = parse_day(word)
    assert before <= understood + timedelta(days=days_ago) <= date.today()


def test_a_day_to_come_is_refused_with_exit_code_2(scored: Path, tmp_path: Path) -> None:
    later = date.today() + timedelta(days=3)
    done = command("score", scored / "extract", "--as-of", later.isoformat(), "--out", tmp_path / "store")
    assert (done.code, "has not come yet" in done.err) == (2, True)
    assert not (tmp_path / "store").exists()


def test_a_model_that_is_not_there_is_refused_with_exit_code_4(scored: Path, tmp_path: Path) -> None:
    done = process("score", scored / "extract", "--as-of", AS_OF, "--out", tmp_path / "store", "--model", "champion")
    assert done.code == 4
    assert "There is no model champion" in done.err
    assert not (tmp_path / "store").exists()


def test_a_store_in_use_is_refused_with_exit_code_5(scored: Path) -> None:
    with RunStore(scored / "store").lock():
        done = command("score", scored / "extract", "--as-of", AS_OF, "--out", scored / "store")
    assert done.code == 5
    assert "another process is writing" in done.err


def test_flags_prints_the_first_of_a_school_with_reasons(scored: Path) -> None:
    done = command("flags", "--run", scored / "store", "--school", "north", "--top", 2)
    assert done.code == 0
    assert "s00, grade 9" in done.out
    assert "= Tier 3" in done.out
    assert "  - " in done.out
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80


def test_flags_of_no_named_school_are_those_of_the_busiest(scored: Path) -> None:
    scores = RunStore(scored / "store").latest().table("scores").filter(pl.col("tier") > 1)
    counts = scores.group_by("school_id").len().sort(["len", "school_id"], descending=[True, False])
    done = command("flags", "--run", scored / "store", "--json")
    flags = [event for event in done.events if event["event"] == "flag"]
    assert {flag["school_id"] for flag in flags} == {counts["school_id"][0]}
    assert len(flags) == min(10, counts["len"][0])
    assert all(flag["reasons"] for flag in flags)


def test_flags_of_an_unknown_school_are_refused(scored: Path) -> None:
    done = command("flags", "--run", scored / "store", "--school", "west")
    assert done.code == 2
    assert "was scored in this run" in done.err


def test_explain_says_reasons_strengths_and_what_is_missing(scored: Path) -> None:
    done = command("explain", "s00", "--run", RunStore(scored / "store").latest().path)
    assert done.code == 0
    for words in ("Tier 3", "Reasons:", "Strengths:", "Rules that could not speak"):
        assert words in done.out
    as_json = command("explain", "s00", "--run", scored / "store", "--json").event("student")
    assert as_json["tier"] == 3
    assert as_json["reasons"][0]["sentence"]


def test_explain_of_an_unknown_student_repeats_no_id(scored: Path) -> None:
    done = command("explain", "s9999", "--run", scored / "store")
    assert done.code == 5
    assert "has no such student" in done.err
    assert "s9999" not in done.err


def test_explain_without_a_run_says_where_it_looked(tmp_path: Path) -> None:
    done = command("explain", "s00", "--run", tmp_path)
    assert done.code == 5
    assert str(tmp_path) in done.err


@pytest.mark.parametrize("verb", [("flags",), ("explain", "s00"), ("export", "--out", "out")])
def test_a_run_with_a_table_of_another_is_not_used(scored: Path, tmp_path: Path, verb: tuple[str, ...]) -> None:
    store = shutil.copytree(scored / "store", tmp_path / "store")
    run = RunStore(store).latest().path
    reasons = pl.read_parquet(run / "reasons.parquet")
    reasons.reverse().write_parquet(run / "reasons.parquet")
    done = command(*[tmp_path / word if word == "out" else word for word in verb], "--run", store)
    assert (done.code, done.out) == (5, "")
    assert "does not match its manifest: reasons.parquet" in done.err
    assert not (tmp_path / "out").exists()


def test_export_writes_files_and_says_which(scored: Path, tmp_path: Path) -> None:
    done = command("export", "--run", scored / "store", "--to", "files", "--out", tmp_path / "outbox", "--by-school")
    assert done.code == 0
    assert (tmp_path / "outbox" / "export.ok").exists()
    assert "by_school/north/scores.csv" in done.out


def test_the_next_command_can_be_pasted_whatever_the_store_is_called(scored: Path, tmp_path: Path) -> None:
    done = command("score", scored / "extract", "--as-of", AS_OF, "--out", tmp_path / "st öre 'q")
    (line,) = [line for line in done.out.splitlines() if line.startswith("Next: ")]
    assert shlex.split(line)[-1] == str(RunStore(tmp_path / "st öre 'q").latest().path)


def test_score_says_what_the_source_can_speak_of(scored: Path) -> None:
    done = command("score", scored / "extract", "--as-of", AS_OF, "--out", scored / "store")
    assert "What the source can speak of" in done.out
    as_json = command("score", scored / "extract", "--as-of", AS_OF, "--out", scored / "store", "--json")
    assert as_json.event("scored")["coverage"]["attendance"]["level"] == "full"


def test_flags_fit_a_narrow_terminal(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    reasons = [line for line in command("flags", "--run", scored / "store").out.splitlines() if line.startswith("  ")]
    assert 30 < max(len(line.rstrip()) for line in reasons) <= 40


def test_a_policy_that_is_a_folder_is_refused(scored: Path, tmp_path: Path) -> None:
    done = command("score", scored / "extract", "--as-of", AS_OF, "--out", tmp_path / "store", "--policy", tmp_path)
    assert (done.code, "cannot be read" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("zone", "expected"), [("Pacific/Kiritimati", CaseState.WAITING), ("Etc/GMT+12", CaseState.NOT_NOW)]
)
def test_a_night_brings_back_whose_date_has_come_in_the_time_zone_of_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, expected: CaseState
) -> None:
    write_extract(tmp_path / "extract", small_district())
    monkeypatch.setenv("CIS_EWS_SERVICE__TIME_ZONE", zone)
    score = ("score", tmp_path / "extract", "--out", tmp_path / "store", "--as-of")
    assert command(*score, str(date.fromisoformat(AS_OF) - timedelta(days=1))).code == 0
    with Database(RunStore(tmp_path / "store").database_url) as database:
        row = next(row for row in database.current_scores("d1").rows if (row.tier or 1) > 1)
        case = database.cases.find(Scope(districts=frozenset({"d1"})), row.ref)
        assert case is not None
        until = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
        move = Move(
            action=CaseAction.NOT_NOW, before=CaseState.WAITING, after=CaseState.NOT_NOW, reason="a trip", until=until
        )
        database.cases.record(case, move, by=By())
        assert command(*score, AS_OF).code == 0
        found = database.cases.find(Scope(districts=frozenset({"d1"})), row.ref)
    assert found is not None
    assert found.state is expected
