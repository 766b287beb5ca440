"""Fetching from an Ed-Fi API, over real HTTP: everything, then what has changed, into a folder that is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from cis_ews.errors import ConfigError, FetchError, ReadError, StoreLockedError
from cis_ews.fetching.edfi_work import sole_writer
from cis_ews.readers import read_school_data
from cis_ews.readers.edfi_fetched import MANIFEST
from cis_ews.schema.school_data import TABLES
from tests.lib.edfi import write_package
from tests.lib.edfi_api_records import Records, identified, numbered_frames, records_of, xml_of
from tests.lib.edfi_fetch import bytes_of, fetch, fetch_few, records_in
from tests.lib.edfi_server import HAS_PUBLISHED, EdFiServer, serving

PUBLISHED_TOO = pytest.param(
    True,
    id="published",
    marks=pytest.mark.skipif(not HAS_PUBLISHED, reason="Ed-Fi's OpenAPI is not beside the project (../shared/samples)"),
)


@pytest.fixture
def records() -> Records:
    return records_of(numbered_frames())


@pytest.fixture
def server(records: Records) -> Iterator[EdFiServer]:
    with serving(records) as started:
        yield started


def student(number: int) -> dict[str, object]:
    said = {"studentUniqueId": f"MARKERID9{number:02d}", "firstName": "MARKERNAME", "lastSurname": "MARKERNAME"}
    return identified("students", {**said, "birthDate": "2012-05-01"})


@pytest.mark.parametrize("published", [pytest.param(False, id="small"), PUBLISHED_TOO])
@pytest.mark.parametrize("cursor", [True, False], ids=["cursor", "offset"])
def test_an_api_and_bulk_xml_of_one_district_are_equal_tables(
    tmp_path: Path, records: Records, *, published: bool, cursor: bool
) -> None:
    with serving(records, published=published, cursor=cursor) as server:
        fetched = fetch(server, tmp_path / "api")
    from_api = read_school_data(tmp_path / "api", format="edfi")
    from_xml = read_school_data(write_package(tmp_path / "xml", xml_of(numbered_frames())), format="edfi")
    for table in TABLES:
        assert from_api.table(table).sort(pl.all()).equals(from_xml.table(table).sort(pl.all())), table
    assert {name: rows.records for name, rows in fetched.resources.items()} == {
        name: len(each) for name, each in records.items()
    }
    assert (fetched.rounds, fetched.retries, fetched.manifest.is_whole) == (1, 0, True)
    asked = {("pageToken" in each.query) for each in server.asked if each.is_page and "/" not in each.resource}
    assert cursor in asked
    assert from_api.coverage.notes[0] == "fetched from an Ed-Fi API of Data Standard 5.0.0, changes up to version " + (
        f"{server.newest:,}"
    )


def test_the_same_records_are_the_same_bytes_however_they_came(tmp_path: Path, records: Records) -> None:
    with serving(records) as server:
        fetch(server, tmp_path / "a", page_size=7, connections=1)
        fetch(server, tmp_path / "b", page_size=500, connections=8)
        fetch(server, tmp_path / "c", paging="offset", page_size=11)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b") == bytes_of(tmp_path / "c")


def test_only_what_is_read_is_kept_and_only_its_owner_may_look(tmp_path: Path, server: EdFiServer) -> None:
    fetch(server, tmp_path / "api")
    kept = b"".join(bytes_of(tmp_path / "api").values())
    assert b"MARKERNAME0" in kept
    assert not [word for word in (b"City", b"was seen", b"link", b"numberOfParts", b"keyValues") if word in kept]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "api").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "api").stat().st_mode) == 0o700


def test_changes_alone_are_fetched_and_come_to_the_same_as_everything(tmp_path: Path, server: EdFiServer) -> None:
    fetch(server, tmp_path / "kept")
    server.change("students", 3, firstName="MARKERNAMENEW")
    server.change("students", 3, firstName="MARKERNAMENEWER")
    server.delete("studentSchoolAttendanceEvents", 5)
    server.delete("studentSchoolAttendanceEvents", 70)
    server.change("studentSchoolAttendanceEvents", 8, eventDuration=0.5)
    server.add("students", student(1))
    server.delete("grades", 0)
    server.add("students", student(2))
    server.delete("students", len(server.held["students"]) - 1)  # come and gone
    server.rename("disciplineIncidents", 4, incidentIdentifier="i-renamed")
    server.asked.clear()
    again = fetch(server, tmp_path / "kept")
    modes = {name: (rows.mode, rows.changed, rows.removed) for name, rows in again.resources.items()}
    assert {name: mode for name, mode in modes.items() if mode[0] != "kept"} == {
        "students": ("changes", 2, 0),
        "studentSchoolAttendanceEvents": ("changes", 1, 2),
        "grades": ("changes", 0, 1),
        "disciplineIncidents": ("changes", 1, 0),
    }
    assert sum(asked.is_page and "/" not in asked.resource for asked in server.asked) <= 8
    fetch(server, tmp_path / "anew")
    assert bytes_of(tmp_path / "kept") == bytes_of(tmp_path / "anew")
    fetch(server, tmp_path / "kept", full=True)
    assert bytes_of(tmp_path / "kept") == bytes_of(tmp_path / "anew")


def test_where_nothing_has_changed_nothing_is_written(tmp_path: Path, server: EdFiServer) -> None:
    fetch_few(server, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    server.asked.clear()
    again = fetch_few(server, tmp_path)
    assert (again.is_new, again.rounds, len(server.asked)) == (False, 0, 3)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_resource_that_was_left_out_comes_with_the_next_fetch(tmp_path: Path, server: EdFiServer) -> None:
    fetch(server, tmp_path, leave_out=["grades"])
    assert "the fetch leaves out grades, as configured" in read_school_data(tmp_path, format="edfi").coverage.notes
    again = fetch(server, tmp_path)
    assert {again.resources[name].mode for name in ("students", "grades")} == {"kept", "whole"}
    assert read_school_data(tmp_path, format="edfi").course_grades["is_final"].n_unique() == 2


def test_a_key_change_whose_record_did_not_come_has_the_resource_fetched_whole(
    tmp_path: Path, server: EdFiServer
) -> None:
    fetch_few(server, tmp_path / "kept")
    server.rename("students", 7, is_told=False, studentUniqueId="MARKERID777")
    again = fetch_few(server, tmp_path / "kept")
    assert again.resources["students"].mode == "whole"
    assert any("MARKERID777" in line for line in records_in(tmp_path / "kept", "students"))


@pytest.mark.parametrize("kind", ["deletes", "keyChanges"])
def test_without_leave_to_read_deletes_everything_is_fetched(tmp_path: Path, server: EdFiServer, kind: str) -> None:
    fetch_few(server, tmp_path / "kept")
    server.forbidden.add(f"students/{kind}")
    server.delete("students", 2)
    server.change("students", 5, firstName="MARKERNAMENEW")
    again = fetch_few(server, tmp_path / "kept")
    assert again.resources["students"].mode == ("whole" if kind == "deletes" else "changes")
    fetch_few(server, tmp_path / "anew")
    assert bytes_of(tmp_path / "kept") == bytes_of(tmp_path / "anew")


def test_a_server_without_change_queries_is_read_whole_each_time(tmp_path: Path, records: Records) -> None:
    with serving(records, changes=False) as server:
        first = fetch_few(server, tmp_path / "kept")
        server.delete("students", 2)
        again = fetch_few(server, tmp_path / "kept")
        fetch_few(server, tmp_path / "anew")
    assert first.manifest.change_version is None
    assert (again.resources["students"].mode, again.resources["students"].records) == ("whole", 39)
    assert bytes_of(tmp_path / "kept") == bytes_of(tmp_path / "anew")


def test_a_server_that_was_set_back_is_read_anew(tmp_path: Path, records: Records) -> None:
    with serving(records) as server:
        server.change("students", 0, firstName="MARKERNAMEOLD")
        fetch_few(server, tmp_path)
        server.newest -= 1
        for held in server.held["students"]:
            held.version = min(held.version, server.newest)
        assert fetch_few(server, tmp_path).resources["students"].mode == "whole"


def test_a_server_that_has_forgotten_old_changes_is_read_anew(tmp_path: Path, server: EdFiServer) -> None:
    fetch_few(server, tmp_path)
    server.change("students", 0, firstName="MARKERNAMENEW")
    server.oldest = server.newest
    assert fetch_few(server, tmp_path).resources["students"].mode == "changes"
    server.change("students", 1, firstName="MARKERNAMENEW")
    server.change("students", 2, firstName="MARKERNAMENEW")
    server.oldest = server.newest
    assert fetch_few(server, tmp_path).resources["students"].mode == "whole"


def test_a_count_that_differs_from_ours_has_the_resource_fetched_whole(tmp_path: Path, server: EdFiServer) -> None:
    """Records that the key may not see any more are neither changed nor deleted for it."""
    fetch_few(server, tmp_path / "kept")
    del server.held["students"][9]
    server.change("students", 3, firstName="MARKERNAMENEW")
    assert fetch_few(server, tmp_path / "kept").resources["students"].mode == "whole"
    assert len(records_in(tmp_path / "kept", "students")) == 39


@pytest.mark.parametrize("standard", ["4.0.0", "5.2.0", "6.1.0"])
def test_each_data_standard_is_asked_for_what_it_has(tmp_path: Path, records: Records, standard: str) -> None:
    people = records["studentEducationOrganizationAssociations"]
    of_four = [
        {
            "id": f"old-{number}",
            "studentReference": each["studentReference"],
            "disciplineIncidentReference": each["disciplineIncidentReference"],
            "studentParticipationCodeDescriptor": "uri://ed-fi.org/StudentParticipationCodeDescriptor#Perpetrator",
            "behaviors": [{"behaviorDescriptor": each["behaviorDescriptor"]}],
        }
        for number, each in enumerate(records["studentDisciplineIncidentBehaviorAssociations"])
    ]
    given = {**records, "studentDemographics": people, "studentDisciplineIncidentAssociations": of_four}
    if standard.startswith("4"):
        given["studentDisciplineIncidentBehaviorAssociations"] = []
    with serving(given, standard=standard) as server:
        fetched = fetch(server, tmp_path / "api")
    assert fetched.manifest.data_standard == standard
    assert fetched.manifest.absent == ()
    data = read_school_data(tmp_path / "api", format="edfi")
    assert data.incidents.height == 40
    assert data.demographics["gender"].drop_nulls().len() == 6


@pytest.mark.parametrize("standard", ["3.3.0-b", "7.0.0"])
def test_another_data_standard_is_refused(tmp_path: Path, standard: str) -> None:
    with serving({}) as server:
        server.standard = standard
        with pytest.raises(FetchError, match=f"of Data Standard {standard}; read are 4, 5, 6"):
            fetch(server, tmp_path)


def test_a_new_data_standard_is_read_anew(tmp_path: Path, server: EdFiServer) -> None:
    fetch_few(server, tmp_path)
    server.standard = "5.2.0"
    assert fetch_few(server, tmp_path).resources["students"].mode == "whole"


def test_what_the_server_does_not_have_is_said(tmp_path: Path, server: EdFiServer) -> None:
    del server.held["studentInterventionAttendanceEvents"]
    assert fetch(server, tmp_path).manifest.absent == ("studentInterventionAttendanceEvents",)
    notes = read_school_data(tmp_path, format="edfi").coverage.notes
    assert "the API does not have studentInterventionAttendanceEvents" in notes


def test_a_snapshot_is_read_as_it_is_while_the_system_goes_on(tmp_path: Path, server: EdFiServer) -> None:
    with pytest.raises(FetchError, match="no snapshot to read") as caught:
        fetch_few(server, tmp_path / "snapshot", snapshot=True)
    assert "snapshot = false" in str(caught.value)
    fetch_few(server, tmp_path / "before")
    server.take_snapshot()
    server.delete("students", 2)
    server.change("students", 3, firstName="MARKERNAMENEW")
    fetch_few(server, tmp_path / "snapshot", snapshot=True)
    before, of_snapshot = bytes_of(tmp_path / "before"), bytes_of(tmp_path / "snapshot")
    assert before == of_snapshot
    assert all(asked.headers.get("use-snapshot") == "true" for asked in server.asked[-5:] if asked.resource)


def test_one_fetch_at_a_time_writes_to_a_folder(tmp_path: Path, server: EdFiServer) -> None:
    with sole_writer(tmp_path / "api"), pytest.raises(StoreLockedError, match="another fetch is writing"):
        fetch_few(server, tmp_path / "api")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, server: EdFiServer) -> None:
    (tmp_path / "students.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="files that no fetch has made"):
        fetch_few(server, tmp_path)
    (tmp_path / MANIFEST).write_text("{}", encoding="utf-8")
    with pytest.raises(ReadError, match="not the manifest of a fetch"):
        fetch_few(server, tmp_path)
    assert (tmp_path / "students.jsonl").read_text(encoding="utf-8") == "{}"


def test_a_folder_of_another_api_is_replaced_only_if_that_is_said(tmp_path: Path, records: Records) -> None:
    with serving(records) as one:
        fetch_few(one, tmp_path)
    with serving(records) as other:
        other.delete("students", 0)
        with pytest.raises(ConfigError, match="fetched from another address"):
            fetch_few(other, tmp_path)
        assert fetch_few(other, tmp_path, full=True).manifest.resources["students"].records == 39


def test_a_file_that_was_edited_or_taken_away_is_noticed(tmp_path: Path, server: EdFiServer) -> None:
    fetch(server, tmp_path)
    (students,) = tmp_path.glob("students.*.jsonl")
    students.write_bytes(students.read_bytes().replace(b"MARKERNAME0", b"MARKERNAME1"))
    with pytest.raises(ReadError, match="this is not the file that was fetched"):
        read_school_data(tmp_path, format="edfi")
    students.unlink()
    with pytest.raises(ReadError, match="1 file named and not there or not known: students"):
        read_school_data(tmp_path, format="edfi")
    server.change("schools", 0, nameOfInstitution="Another")
    assert fetch(server, tmp_path).resources["students"].mode == "whole"
    assert read_school_data(tmp_path, format="edfi").students.height == 40


def test_an_older_file_that_nobody_names_is_no_part_of_the_source(tmp_path: Path, server: EdFiServer) -> None:
    fetch(server, tmp_path)
    (students,) = tmp_path.glob("students.*.jsonl")
    os.link(students, tmp_path / "students.0123456789ab.jsonl")
    assert read_school_data(tmp_path, format="edfi").students.height == 40
    server.change("schools", 0, nameOfInstitution="Another")
    fetch(server, tmp_path)
    assert not (tmp_path / "students.0123456789ab.jsonl").exists()
