"""A fetch that is killed goes on where it ended, and takes no more memory for more records."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cis_ews.errors import FetchError, ReadError
from cis_ews.readers import read_school_data
from cis_ews.readers.edfi_fetched import MANIFEST
from tests.lib.children import child
from tests.lib.edfi_api_records import Record, Records, identified, numbered_frames, records_of
from tests.lib.edfi_fetch import bytes_of, fetch, fetch_few
from tests.lib.edfi_server import Asked, EdFiServer, on, serving, slow, status

CHILD = """
import sys
from pathlib import Path
import cis_ews.fetching.merging as merging
from tests.lib.edfi_fetch import ALL_BUT_STUDENTS, CREDENTIALS, PATIENCE
from cis_ews.fetching.edfi import fetch_edfi
from cis_ews.readers.edfi_api_config import ApiConfig
url, folder, left_out, size, lines = sys.argv[1:]
merging.LINES_IN_MEMORY = int(lines)
leave_out = ALL_BUT_STUDENTS if left_out == "few" else ()
config = ApiConfig(url=url, page_size=int(size), connections=2, leave_out=leave_out, **PATIENCE)
print(fetch_edfi(config, CREDENTIALS, Path(folder)).is_resumed)
# The most that this process has held; of `ru_maxrss` a child inherits its parent's.
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.fixture
def records() -> Records:
    return records_of(numbered_frames())


@pytest.fixture
def server(records: Records) -> Iterator[EdFiServer]:
    with serving(records) as started:
        yield started


def killed_after(server: EdFiServer, folder: Path, requests: int, *, many: str = "all") -> None:
    """A fetch in a process of its own, killed when the server was asked so many times."""
    begun = len(server.asked)
    process = child(CHILD, server.url, str(folder), many, "7", "100000")
    try:
        while len(server.asked) - begun < requests and process.poll() is None:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_a_killed_fetch_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path, server: EdFiServer) -> None:
    fetch(server, tmp_path / "clean", page_size=7)
    needed = sum(asked.is_page for asked in server.asked)
    server.asked.clear()
    server.fail(on("calendarDates"), slow(0.05), times=10_000)
    for requests in (60, 50, 70):
        killed_after(server, tmp_path / "api", requests)
        assert not (tmp_path / "api" / MANIFEST).exists()
        with pytest.raises(ReadError, match="nothing was fetched into it to the end yet"):
            read_school_data(tmp_path / "api", format="edfi")
    server.faults.clear()
    fetched = fetch(server, tmp_path / "api", page_size=7)
    assert fetched.is_resumed
    assert bytes_of(tmp_path / "api") == bytes_of(tmp_path / "clean")
    asked = sum(asked.is_page for asked in server.asked)
    # What was under way at a kill is asked for again: a page a connection, and a small plan.
    assert asked <= needed + 3 * 4


def test_an_interrupted_fetch_ends_with_the_pages_that_are_under_way(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("calendarDates"), slow(0.3), times=10_000)
    process = child(CHILD, server.url, str(tmp_path / "api"), "all", "5", "100000")
    while not server.pages_of("calendarDates") and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    assert server.pages_of("calendarDates") < 20  # of sixty
    assert (tmp_path / "api/.fetch/state.json").exists()


@pytest.mark.parametrize("seed", range(3))
def test_an_update_that_is_killed_leaves_the_folder_as_it_was_or_is(
    tmp_path: Path, server: EdFiServer, seed: int
) -> None:
    fetch(server, tmp_path / "api", page_size=7)
    before = bytes_of(tmp_path / "api")
    for number in (0, 5, 30):
        server.change("students", number, firstName="MARKERNAMENEW")
        server.delete("studentSchoolAttendanceEvents", number)
    server.fail(lambda asked: bool(asked.resource), slow(0.005), times=10_000)
    killed_after(server, tmp_path / "api", random.Random(seed).randrange(5, 100))
    assert bytes_of(tmp_path / "api") == before
    assert read_school_data(tmp_path / "api", format="edfi").students.height == 40
    server.faults.clear()
    fetch(server, tmp_path / "api", page_size=7)
    fetch(server, tmp_path / "anew", page_size=7)
    assert bytes_of(tmp_path / "api") == bytes_of(tmp_path / "anew")


def test_a_full_fetch_that_was_cut_off_goes_on_as_one(tmp_path: Path, server: EdFiServer) -> None:
    fetch_few(server, tmp_path)
    server.fail(on("schools"), status(500), times=10_000)
    with pytest.raises(FetchError):
        fetch_few(server, tmp_path, full=True)
    server.faults.clear()
    pages = server.pages_of("students")
    assert fetch_few(server, tmp_path, full=True).is_resumed
    assert server.pages_of("students") == pages


def test_another_configuration_does_not_go_on_from_what_has_arrived(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("schools"), status(500), times=10_000)
    with pytest.raises(FetchError):
        fetch_few(server, tmp_path)
    server.faults.clear()
    server.standard = "5.1.0"
    assert not fetch_few(server, tmp_path).is_resumed


def test_a_place_that_the_server_has_forgotten_is_begun_anew(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("students"), status(500), times=10_000, after=2)
    with pytest.raises(FetchError):
        fetch_few(server, tmp_path, page_size=8, connections=1)
    server.faults.clear()
    server.fail(on("students"), status(400))
    assert fetch_few(server, tmp_path, page_size=8, connections=1).resources["students"].records == 40


def test_what_arrived_long_ago_from_a_server_without_changes_is_of_no_use(tmp_path: Path, records: Records) -> None:
    with serving(records, changes=False) as server:
        server.fail(on("schools"), status(500), times=10_000)
        with pytest.raises(FetchError):
            fetch_few(server, tmp_path)
        server.faults.clear()
        state = tmp_path / ".fetch/state.json"
        long_ago = time.time() - 13 * 3600
        os.utime(state, (long_ago, long_ago))
        pages = server.pages_of("students")
        assert not fetch_few(server, tmp_path).is_resumed
        assert server.pages_of("students") > pages


def many_students(count: int) -> list[Record]:
    born = {"lastSurname": "MARKERNAME", "birthDate": "2012-05-01"}
    return [
        identified("students", {"studentUniqueId": f"MARKERID{number}", "firstName": f"MARKERNAME{number}", **born})
        for number in range(count)
    ]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc: the memory of a process is not known")
def test_memory_does_not_grow_with_the_records(tmp_path: Path, records: Records) -> None:
    def most(count: int) -> int:
        with serving({"students": many_students(count), "schools": records["schools"]}) as server:
            process = child(CHILD, server.url, str(tmp_path / str(count)), "few", "500", "1000")
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
        return int(out.split()[1])

    small, large = most(2_000), most(30_000)
    assert large < 1.05 * small + 2_000  # kilobytes


def test_asked_is_a_page_only_where_records_are_asked_for() -> None:
    assert Asked("GET", "/data/v3/ed-fi/students", {"limit": "5"}, {}).is_page
    assert not Asked("GET", "/data/v3/ed-fi/students", {"limit": "0"}, {}).is_page
    assert not Asked("GET", "/data/v3/ed-fi/students/deletes", {"limit": "5"}, {}).is_page
