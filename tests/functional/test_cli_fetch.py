"""`cis-ews fetch edfi`: from an API to a scored night, and each failure by its exit code, without secret or student."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cis_ews.readers.edfi_api_config import KEY_VARIABLE, SECRET_VARIABLE
from tests.lib.command import Done, command, process
from tests.lib.edfi_api_records import numbered_frames, records_of
from tests.lib.edfi_fetch import leaked
from tests.lib.edfi_server import KEY, SECRET, EdFiServer, on, serving, status

DAY = "2025-12-01"


@pytest.fixture
def server() -> Iterator[EdFiServer]:
    with serving(records_of(numbered_frames())) as started:
        yield started


@pytest.fixture
def config(tmp_path: Path, server: EdFiServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setenv("CIS_EWS_LOG__FILE", str(tmp_path / "log.jsonl"))
    monkeypatch.setenv("CIS_EWS_LOG__LEVEL", "debug")
    patience = "attempts = 2\nlongest_wait_seconds = 0.01\n"
    text = f'config_version = 1\nreader = "edfi"\n[api]\nurl = "{server.url}"\n{patience}'
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    return tmp_path / "own.toml"


def clean(done: Done, config: Path) -> Done:
    log = config.with_name("log.jsonl")
    logged = log.read_text(encoding="utf-8") if log.exists() else ""
    assert leaked(done.out + done.err + logged) == []
    return done


def test_from_an_api_to_a_scored_night(tmp_path: Path, server: EdFiServer, config: Path) -> None:
    folder, store = tmp_path / "records", tmp_path / "night"
    first = clean(command("fetch", "edfi", config, "--to", folder), config)
    assert first.code == 0
    assert "students                                       whole" in first.out
    assert f"The records lie in {folder}" in first.out.replace("\n  ", " ")
    assert all(len(line) <= 80 or str(folder) in line for line in first.out.splitlines())
    checked = clean(command("check", folder, "--format", config, "--as-of", DAY), config)
    assert checked.code == 0
    assert "fetched from an Ed-Fi API of Data Standard 5.0.0" in checked.out.replace("\n    ", " ")
    scored = ("score", folder, "--format", config, "--as-of", DAY, "--out", store, "--model", "rules")
    assert clean(command(*scored), config).code == 0
    again = clean(command("fetch", "edfi", config, "--to", folder), config)
    assert "Nothing has changed since the last fetch." in again.out
    server.delete("studentSchoolAttendanceEvents", 0)
    third = clean(command("fetch", "edfi", config, "--to", folder, "--json"), config).event("fetched")
    assert third["is_new"]
    events = next(row for row in third["resources"] if row["resource"] == "studentSchoolAttendanceEvents")
    assert events == {
        "resource": "studentSchoolAttendanceEvents",
        "how": "changes",
        "records": 79,
        "changed": 0,
        "removed": 1,
    }
    assert clean(command(*scored), config).code == 0


def test_a_process_says_no_secret_anywhere(tmp_path: Path, config: Path) -> None:
    done = clean(process("fetch", "edfi", config, "--to", tmp_path / "records"), config)
    assert done.code == 0
    assert "ask for access" in done.err


def test_what_the_api_refuses_ends_with_3(tmp_path: Path, server: EdFiServer, config: Path) -> None:
    server.forbidden.add("grades")
    done = clean(command("fetch", "edfi", config, "--to", tmp_path / "records"), config)
    assert done.code == 3
    assert "Error: The key may not read 1 resource: grades (403)" in done.err
    assert "What to do: ask the API's host for a claim set with the action Read on grade" in done.err
    as_json = clean(command("fetch", "edfi", config, "--to", tmp_path / "records", "--json"), config)
    assert (as_json.code, as_json.error["code"]) == (3, "data_not_fetched")
    assert as_json.error["details"] == {"resources": ["grades"], "status": 403}


def test_a_server_that_fails_ends_with_3_and_the_next_call_goes_on(
    tmp_path: Path, server: EdFiServer, config: Path
) -> None:
    server.fail(on("sessions"), status(500), times=100)
    done = clean(command("fetch", "edfi", config, "--to", tmp_path / "records"), config)
    assert done.code == 3
    assert "Asked for sessions: the server fails (500), 2 times in a row" in done.err
    refused = clean(command("check", tmp_path / "records", "--format", "edfi"), config)
    assert refused.code == 3
    assert "nothing was fetched into it to the end yet" in refused.err
    server.faults.clear()
    again = clean(command("fetch", "edfi", config, "--to", tmp_path / "records", "--json"), config)
    assert again.event("fetched")["is_resumed"]


def test_a_fetch_that_was_cut_off_between_rounds_is_no_source_yet(
    tmp_path: Path, server: EdFiServer, config: Path
) -> None:
    def changes(each: EdFiServer, _asked: object, reply: object) -> object:
        each.change("students", 0, firstName="MARKERNAMENEW")
        each.faults.clear()
        each.fail(lambda asked: asked.resource == "schools", status(500), times=100, after=4)
        return reply

    server.fail(on("students"), changes)  # pyright: ignore[reportArgumentType]
    assert command("fetch", "edfi", config, "--to", tmp_path / "records").code == 3
    refused = clean(command("check", tmp_path / "records", "--format", "edfi"), config)
    assert "records were on the move when the fetch was cut off" in refused.err
    server.faults.clear()
    assert command("fetch", "edfi", config, "--to", tmp_path / "records").code == 0
    assert command("check", tmp_path / "records", "--format", "edfi").code == 0


def test_what_is_wrong_here_ends_with_2(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "records"
    for text in (None, 'reader = "edfi"\n', "config_version = 1\n[tables]\n", "= MARKERNAME"):
        other = tmp_path / "other.toml"
        if text is not None:
            other.write_text(text, encoding="utf-8")
        done = clean(command("fetch", "edfi", other, "--to", folder), config)
        assert done.code == 2
        assert 'is no TOML with reader = "edfi" and a section [api]' in done.err
    monkeypatch.delenv(SECRET_VARIABLE)
    no_secret = clean(command("fetch", "edfi", config, "--to", folder), config)
    assert (no_secret.code, f"{SECRET_VARIABLE} not set" in no_secret.err) == (2, True)


def test_a_disk_that_does_not_take_it_ends_with_5(tmp_path: Path, config: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = clean(command("fetch", "edfi", config, "--to", tmp_path / "file" / "records"), config)
    assert done.code == 5
