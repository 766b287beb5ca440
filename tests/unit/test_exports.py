"""What school systems pick up: whole or not at all, vouched for, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from cis_ews.errors import StorageError
from cis_ews.exports.files import export_files
from cis_ews.storage.runs import Run
from cis_ews.storage.store import RunStore
from tests.lib.stored_nights import contents, score


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "out")


def _run(store: RunStore, **schools: str) -> Run:
    rows = [score(student, school=school, tier=2) for student, school in schools.items()]
    return store.write(contents(rows, config_hash=",".join(schools)))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_two_tables_a_manifest_and_the_word_that_it_is_ready(store: RunStore, tmp_path: Path) -> None:
    run = _run(store, ann="north", bob="south")
    report = export_files(run, tmp_path / "drop")
    assert sorted(path.name for path in (tmp_path / "drop").iterdir()) == [
        "export.ok",
        "manifest.json",
        "reasons.csv",
        "scores.csv",
    ]
    assert report.rows == {"scores.csv": 2, "reasons.csv": 4}
    assert [row["student_id"] for row in _rows(tmp_path / "drop" / "scores.csv")] == ["ann", "bob"]
    assert list(_rows(tmp_path / "drop" / "reasons.csv")[0]) == run.table("reasons").columns


def test_the_manifest_vouches_for_rows_bytes_and_model(store: RunStore, tmp_path: Path) -> None:
    run = _run(store, ann="north")
    export_files(run, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert (manifest["run_id"], manifest["as_of"], manifest["model_version"]) == (
        run.run_id,
        "2026-02-27",
        run.model_version,
    )
    for name, entry in manifest["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == entry["sha256"]
        assert len(_rows(tmp_path / name)) == entry["rows"]


def test_the_same_run_gives_the_same_bytes(store: RunStore, tmp_path: Path) -> None:
    run = _run(store, ann="north", bob="south")
    for name in ("one", "two"):
        export_files(run, tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_by_school_each_school_gets_its_own_students(store: RunStore, tmp_path: Path) -> None:
    report = export_files(_run(store, ann="north", bob="south", eve="north"), tmp_path, by_school=True)
    assert not (tmp_path / "scores.csv").exists()
    assert [row["student_id"] for row in _rows(tmp_path / "by_school" / "north" / "scores.csv")] == ["ann", "eve"]
    assert {row["student_id"] for row in _rows(tmp_path / "by_school" / "south" / "reasons.csv")} == {"bob"}
    assert report.rows["by_school/north/reasons.csv"] == 4


@pytest.mark.parametrize("school", ["../../climb", "a/b", ".", "..", "C:\\x", "é ü", "-", "~root"])
def test_no_school_id_leads_out_of_the_folder(store: RunStore, tmp_path: Path, school: str) -> None:
    out = tmp_path / "drop" / "deep"
    export_files(_run(store, ann=school), out, by_school=True)
    written = list(tmp_path.joinpath("drop").rglob("*.csv"))
    assert len(written) == 2
    assert {path.parent.parent for path in written} == {out / "by_school"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_a_cell_that_a_spreadsheet_may_run_gets_an_apostrophe(store: RunStore, tmp_path: Path, start: str) -> None:
    evil = f"{start}HYPERLINK(1)"
    report = export_files(store.write(contents([score("ann", reason=evil)])), tmp_path)
    assert _rows(tmp_path / "scores.csv")[0]["tier_reason"] == f"'{evil}"
    assert report.neutralized_cells == 1
    assert json.loads((tmp_path / "manifest.json").read_bytes())["neutralized_cells"] == 1


def test_two_ids_of_which_one_has_an_apostrophe_stay_two(store: RunStore, tmp_path: Path) -> None:
    given = {"'t Hart": "'t Hart", "=1": "'=1", "'=1": "''=1", "''=1": "'''=1"}
    export_files(store.write(contents([score(each) for each in sorted(given)])), tmp_path)
    assert [row["student_id"] for row in _rows(tmp_path / "scores.csv")] == [given[each] for each in sorted(given)]


def test_numbers_and_harmless_text_stay_as_they_are(store: RunStore, tmp_path: Path) -> None:
    given = contents([score("ann", reason='a "quoted", word = here\nand there - fine')])
    negative = given.tables["reasons"].lazy().with_columns(value=pl.lit(-0.5)).collect()
    report = export_files(
        store.write(contents(scores=given.scores, reasons=negative, rules=given.tables["rules"])), tmp_path
    )
    assert _rows(tmp_path / "scores.csv")[0]["tier_reason"] == 'a "quoted", word = here\nand there - fine'
    assert {row["value"] for row in _rows(tmp_path / "reasons.csv")} == {"-0.5"}
    assert report.neutralized_cells == 0


def test_a_later_export_withdraws_what_it_does_not_write(store: RunStore, tmp_path: Path) -> None:
    export_files(_run(store, ann="north", bob="south"), tmp_path, by_school=True)
    (tmp_path / "notes.txt").write_text("not ours")
    export_files(_run(store, ann="north"), tmp_path, by_school=True)
    assert sorted(path.name for path in (tmp_path / "by_school").rglob("*.csv")) == ["reasons.csv", "scores.csv"]
    assert [path.name for path in (tmp_path / "by_school").iterdir()] == ["north"]
    (tmp_path / "by_school" / "north" / "note.txt").touch()
    export_files(_run(store, ann="north"), tmp_path)
    assert [path.name for path in (tmp_path / "by_school").rglob("*") if path.is_file()] == ["note.txt"]
    (tmp_path / "by_school" / "north" / "note.txt").unlink()
    export_files(_run(store, ann="north"), tmp_path / "plain", by_school=True)
    export_files(_run(store, ann="north"), tmp_path / "plain")
    assert not (tmp_path / "plain" / "by_school").exists()
    assert (tmp_path / "notes.txt").exists()


def test_a_manifest_with_paths_that_climb_out_removes_nothing(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "precious.csv").write_text("x")
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "manifest.json").write_text(json.dumps({"files": {"../precious.csv": {}}}))
    export_files(_run(store, ann="north"), tmp_path / "drop")
    assert (tmp_path / "precious.csv").exists()


def test_ready_is_not_said_when_the_export_fails(store: RunStore, tmp_path: Path) -> None:
    run = _run(store, ann="north")
    export_files(run, tmp_path)
    (tmp_path / "reasons.csv").unlink()
    (tmp_path / "reasons.csv").mkdir()
    with pytest.raises(StorageError, match="cannot write the export to"):
        export_files(run, tmp_path)
    assert not (tmp_path / "export.ok").exists()
    assert not list(tmp_path.glob(".*"))
