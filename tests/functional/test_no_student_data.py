"""No student's name, id or value where it does not belong: planted in every table and file, then looked for in every
stream, log, error and traceback of every verb that was not asked for a student."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews import RulesModel, TierPolicy, read_school_data, score_night
from cis_ews.errors import EwsError
from cis_ews.storage.store import RunStore
from tests.lib.builders import absence, frame
from tests.lib.command import Done, command
from tests.lib.extracts import AS_OF, small_district, write_extract

FIRST, LAST, PREFIX = "ZEBEDEE", "QUIXWORTH", "XQ77-"
VALUE = "WIBBLE-VALUE"
MARKERS = (FIRST, LAST, PREFIX, VALUE)
DAY = date.fromisoformat(AS_OF)
Damage = Callable[[Path], None]


@pytest.fixture
def extract(tmp_path: Path, log: Path) -> Path:
    return write_extract(tmp_path / "extract", small_district(first_name=FIRST, last_name=LAST, prefix=PREFIX))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything is logged, at the finest level."""
    monkeypatch.setenv("CIS_EWS_LOG__FILE", str(tmp_path / "log.jsonl"))
    monkeypatch.setenv("CIS_EWS_LOG__LEVEL", "debug")
    return tmp_path / "log.jsonl"


@pytest.fixture(autouse=True)
def library_logs() -> Iterator[io.StringIO]:
    """What any library says through the standard logging module."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    assert _found(stream.getvalue()) == []


def _found(text: str) -> list[str]:
    return [marker for marker in MARKERS if marker in text]


def _clean(done: Done, log: Path) -> Done:
    assert _found(done.out) == []
    assert _found(done.err) == []
    assert _found(log.read_text(encoding="utf-8") if log.exists() else "") == []
    return done


def _edit(table: str, change: Callable[[str], str]) -> Damage:
    def _damage(extract: Path) -> None:
        path = extract / f"{table}.csv"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    return _damage


def _column(table: str, column: str, value: str = VALUE) -> Damage:
    def _damage(extract: Path) -> None:
        path = extract / f"{table}.csv"
        pl.read_csv(path, infer_schema=False).with_columns(pl.lit(value).alias(column)).write_csv(path)

    return _damage


def _parquet(table: str) -> Damage:
    """A typed file whose cells cannot become what the contract asks for."""

    def _damage(extract: Path) -> None:
        path = extract / f"{table}.csv"
        rows = pl.read_csv(path, infer_schema=False).with_columns(pl.lit([VALUE, FIRST]).alias("student_id"))
        rows.write_parquet(extract / f"{table}.parquet")
        path.unlink()

    return _damage


DAMAGES: dict[str, Damage] = {
    "a value in every column of dates": _column("enrollments", "entry_date"),
    "a value in a required vocabulary": _column("calendar_days", "is_instructional"),
    "a value in a number": _column("enrollments", "school_year"),
    "a value in an optional table": _column("attendance_events", "status"),
    "a value in a fraction": _column("attendance_events", "fraction_absent"),
    "an id nobody knows": _column("enrollments", "student_id", f"{PREFIX}nobody"),
    "an id at a school nobody knows": _column("enrollments", "school_id"),
    "a header of values": _edit("students", lambda text: text.replace("student_id", FIRST, 1)),
    "a wrong delimiter": _edit("students", lambda text: text.replace(",", ";")),
    "ragged rows": _edit("students", lambda text: text.replace(f"{LAST},", f"{LAST},{VALUE},")),
    "quotes left open": _edit("students", lambda text: text.replace(FIRST, f'"{FIRST}')),
    "a file cut in the middle": _edit("students", lambda text: text[: len(text) // 2]),
    "no rows": _edit("students", lambda text: text.split("\n", 1)[0] + "\n"),
    "the wrong types in Parquet": _parquet("students"),
    "the wrong types in Parquet, optional": _parquet("attendance_events"),
    "a file that is no Parquet": lambda extract: (
        (extract / "students.csv").rename(extract / "students.parquet") and None
    ),
    "the same key with other values": _edit(
        "students", lambda text: text + text.split("\n", 1)[1].replace(LAST, VALUE)
    ),
    "bytes of another encoding": lambda extract: (
        (extract / "students.csv").write_bytes(
            (extract / "students.csv").read_bytes().replace(FIRST.encode(), f"{FIRST}é".encode("latin-1"))
        )
        and None
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_no_damaged_extract_shows_a_student(extract: Path, log: Path, tmp_path: Path, damage: Damage) -> None:
    damage(extract)
    assert _clean(command("map", extract, "--output", tmp_path / "mapping.toml"), log).code == 0
    assert _found((tmp_path / "mapping.toml").read_text(encoding="utf-8")) == []
    done = _clean(command("check", extract), log)
    assert done.code == 3 or "Rejections by table" in done.out or "\nNotes" in done.out  # the damage was seen
    assert _clean(command("check", extract, "--json"), log).code == done.code
    refusal = _refusal(extract)
    assert (refusal is None) == (done.code == 0)
    if refusal is not None:
        assert _found("".join(traceback.format_exception(refusal))) == []
        assert _found(repr(pickle.loads(pickle.dumps(refusal)).details)) == []  # noqa: S301 - made in the line itself


def _refusal(extract: Path) -> EwsError | None:
    try:
        read_school_data(extract)
    except EwsError as error:
        return error
    return None


def test_a_night_and_what_follows_show_no_student(extract: Path, log: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    as_of = ("--as-of", AS_OF)
    for arguments in (
        ("check", extract, "--rejections", tmp_path / "rejections.csv"),
        ("indicators", extract, *as_of, "--out", tmp_path / "indicators.csv"),
        ("score", extract, *as_of, "--out", store),
        ("score", extract, *as_of, "--out", store, "--json"),
        ("export", "--run", store, "--out", tmp_path / "outbox"),
        ("runs", "list", "--store", store),
        ("runs", "verify", "--store", store, "--json"),
        ("db", "backup", tmp_path / "backup.zip", "--store", store),
        ("db", "restore", tmp_path / "backup.zip", "--store", store),
        ("key", "create", "d1", "--store", store),
        ("retention", "--store", store, "--dry-run"),
        ("student", "forget", f"{PREFIX}00", "--store", store, "--yes", "--json"),
    ):
        assert _clean(command(*arguments), log).code == 0, arguments
    run = RunStore(store).latest()
    for name in ("manifest.json", "cohort_flow.json", "coverage.json", "timings.json"):
        assert _found((run.path / name).read_text(encoding="utf-8")) == []
    assert _found((tmp_path / "rejections.csv").read_text(encoding="utf-8")) == []
    assert _found("".join(path.name for path in tmp_path.rglob("*"))) == []
    assert _found(command("flags", "--run", store).out) == [
        PREFIX
    ]  # asked for, and so the search itself is seen to work


def test_refused_requests_about_a_student_show_no_student(extract: Path, log: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert command("score", extract, "--as-of", AS_OF, "--out", store).code == 0
    rows = frame("attendance_events", [absence(f"{PREFIX}01", "2025-10-05", "south")])
    records = write_extract(tmp_path / "records", {"attendance_events": rows})
    stranger = f"{PREFIX}nobody"
    for arguments in (
        ("explain", stranger, "--run", store),
        ("student", "export", stranger, "--store", store),
        ("student", "correct", stranger, extract, "--records", records, "--store", store),
        ("student", "correct", f"{PREFIX}01", extract, "--records", records, "--store", store),
        ("student", "forget", stranger, "--store", store),
    ):
        assert _clean(command(*arguments), log).code in (2, 3, 5), arguments
        assert _clean(command(*arguments, "--json"), log).code in (2, 3, 5), arguments


@pytest.mark.parametrize("name", ["scores", "reasons", "indicators"])
def test_a_damaged_run_shows_no_student(extract: Path, log: Path, tmp_path: Path, name: str) -> None:
    store = tmp_path / "store"
    assert command("score", extract, "--as-of", AS_OF, "--out", store).code == 0
    path = RunStore(store).latest().path / f"{name}.parquet"
    path.write_bytes(path.read_bytes()[:-200] + FIRST.encode() * 20)
    for arguments in (
        ("runs", "verify", "--store", store),
        ("export", "--run", store, "--out", tmp_path / "outbox"),
        ("score", extract, "--as-of", AS_OF, "--out", store),
    ):
        assert "Traceback" not in _clean(command(*arguments), log).err
    asked = command("flags", "--run", store)
    assert set(_found(asked.out)) <= {PREFIX}
    assert _found(asked.err) == []


def test_an_unexpected_failure_inside_the_night_shows_no_student(
    extract: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_model: RulesModel, indicators: pl.DataFrame, **_: object) -> None:
        raise ValueError(f"cannot convert {indicators['student_id'][0]} {VALUE}")

    monkeypatch.setattr(RulesModel, "evaluated", fail)
    done = _clean(command("score", extract, "--as-of", AS_OF, "--out", tmp_path / "store"), log)
    assert done.code == 1
    assert "error id" in done.err


def test_a_database_that_refuses_shows_no_student(extract: Path, tmp_path: Path) -> None:
    """SQL errors carry their parameters unless told otherwise."""
    database = tmp_path / "readonly.db"
    store = RunStore(tmp_path / "store")
    night = score_night(extract, model=RulesModel(), policy=TierPolicy.load(), store=store, as_of=DAY)
    assert night.is_new
    database.write_bytes(b"this is no database" * 100)
    with pytest.raises(EwsError) as caught:
        score_night(
            extract,
            model=RulesModel(),
            policy=TierPolicy.load(),
            store=tmp_path / "other",
            as_of=DAY,
            database=f"sqlite:///{database}",
        )
    assert _found("".join(traceback.format_exception(caught.value))) == []
