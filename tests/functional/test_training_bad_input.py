"""Extracts and registries from which nothing can be learned: told in plain words, and nothing is registered."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.synthetic import write_district
from tests.lib.command import Done, training
from tests.lib.toml import write_toml
from tests.lib.trainings import small_training

CONFIG = small_training(compare=["blend"], validation={"as_of": ["day 60"]}, as_of=["02-28"])
Edit = Callable[[Path], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    extract = tmp_path_factory.mktemp("sound") / "extract"
    write_district(extract, students=400, years=3, seed=3, through=date(2026, 2, 27))
    return extract


def _train(extract: Path, place: Path, *, label: str, edit: Edit | None = None, json: bool = False) -> Done:
    if edit:
        extract = Path(shutil.copytree(extract, place / "extract"))
        edit(extract)
    write_toml(place / "training.toml", {**CONFIG, "label": label})
    options = ["--json"] * json
    return training(extract, "--config", place / "training.toml", "--store", place / "store", *options)


def _keep(extract: Path, table: str, rows: pl.Expr) -> None:
    path = extract / f"{table}.csv"
    pl.read_csv(path, infer_schema=False).filter(rows).write_csv(path)


def _without_incidents(extract: Path) -> None:
    for table in ("incidents", "discipline_actions"):
        _keep(extract, table, pl.lit(value=False))


def _without_last_years_incidents(extract: Path) -> None:
    _keep(extract, "incidents", pl.col("date") < "2024-08-01")
    _keep(extract, "discipline_actions", pl.col("start_date") < "2024-08-01")


def _two_students(extract: Path) -> None:
    stays = pl.read_csv(extract / "enrollments.csv", infer_schema=False).group_by("student_id").len()
    two = stays.filter(pl.col("len") >= 3)["student_id"].sort().head(2)
    for path in extract.glob("*.csv"):
        if "student_id" in pl.read_csv(path, n_rows=0).columns:
            _keep(extract, path.stem, pl.col("student_id").is_in(two.implode()))


def _roster_alone(extract: Path) -> None:
    for table in ("attendance_events", "incidents", "discipline_actions", "course_grades"):
        (extract / f"{table}.csv").unlink()


REFUSED: dict[str, tuple[Edit, str, int, str]] = {
    "one class to learn from": (_without_incidents, "exclusion", 4, "exclusion met nobody"),
    "one class to measure on": (_without_last_years_incidents, "exclusion", 4, "that are measured on; both outcomes"),
    "two students": (_two_students, "off_track", 4, "1 positive and 1 negative, and a model needs 50 of each"),
    "no records but the roster": (_roster_alone, "off_track", 3, "no attendance, behavior or coursework table"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nothing_can_be_learned_from_is_refused(case: str, sound: Path, tmp_path: Path) -> None:
    edit, label, code, words = REFUSED[case]
    done = _train(sound, tmp_path, label=label, edit=edit)
    assert done.code == code
    assert words in done.err
    assert "What to do: " in done.err
    assert not (tmp_path / "store").exists()


def _schools(extract: Path) -> list[str]:
    return pl.read_csv(extract / "schools.csv", infer_schema=False)["school_id"].to_list()


def _all_or_nobody_absent(extract: Path) -> None:
    """Attendance alone; nobody of the first school is ever absent, everybody of the second is in past springs."""
    for table in ("incidents", "discipline_actions", "course_grades"):
        (extract / f"{table}.csv").unlink()
    calm, absent, *_ = _schools(extract)
    events, days, stays = (
        pl.read_csv(extract / f"{name}.csv", infer_schema=False)
        for name in ("attendance_events", "calendar_days", "enrollments")
    )
    away = (
        days.filter(pl.col("is_instructional") == "true", pl.col("school_id") == absent)
        .filter(pl.col("date").str.slice(5, 2).is_in(["03", "04", "05", "06"]), pl.col("date") < "2025-07-01")
        .join(stays.filter(pl.col("school_id") == absent), on=["school_id", "school_year"])
        .filter(pl.col("date") >= pl.col("entry_date"), pl.col("date") <= pl.col("exit_date").fill_null("9999"))
        .select("student_id", "school_id", "date", status=pl.lit("unexcused"), fraction_absent=pl.lit("1.0"))
        .unique(["student_id", "date"])
    )
    others = events.filter(pl.col("school_id") != calm)
    kept = others.join(away, on=["student_id", "date"], how="anti")
    pl.concat([kept, away], how="diagonal").write_csv(extract / "attendance_events.csv")


def test_domains_that_are_missing_and_schools_with_one_outcome_are_no_obstacle(sound: Path, tmp_path: Path) -> None:
    done = _train(sound, tmp_path, label="chronic_absence", edit=_all_or_nobody_absent, json=True)
    assert done.code == 0, done.err
    event = done.event("trained")
    assert event["left_out"]["incidents_last_45"] == event["left_out"]["gpa_ytd"] == "missing everywhere"
    groups = {one["name"]: one for one in event["validation"]["groups"] if one["by"] == "school"}
    calm, absent, *_ = _schools(sound)
    assert groups[calm]["found"] == {}
    assert groups[absent]["share"] == 1.0


def test_a_registry_that_is_down_is_told_before_anything_is_read(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("CIS_EWS_MODEL__REGISTRY", f"http://someone:SECRET@127.0.0.1:{free.getsockname()[1]}")
    done = _train(sound, tmp_path, label="off_track")
    assert done.code == 5
    assert "it does not answer" in done.err
    assert "SECRET" not in done.err
    assert "read: " not in done.err


def test_a_registry_below_a_file_is_told_before_anything_is_read(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("CIS_EWS_MODEL__REGISTRY", str(tmp_path / "file" / "models"))
    done = _train(sound, tmp_path, label="off_track")
    assert done.code == 5
    assert "a file is in its place" in done.err
    assert "read: " not in done.err
    assert not (tmp_path / "store").exists()
