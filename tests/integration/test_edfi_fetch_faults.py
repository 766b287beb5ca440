"""Fetching from an Ed-Fi API that fails, over real HTTP: what passes is borne, what does not is told in plain words."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from cis_ews.errors import FetchError
from cis_ews.readers import read_school_data
from cis_ews.readers.edfi_fetched import MANIFEST
from tests.lib.edfi_api_records import Records, numbered_frames, records_of
from tests.lib.edfi_fetch import bytes_of, fetch, fetch_few, leaked, records_in
from tests.lib.edfi_server import (
    CHANGES,
    EdFiServer,
    Reply,
    Spoils,
    at,
    content,
    cut_off,
    doing,
    dripping,
    on,
    serving,
    slow,
    status,
)

FOREVER = 10_000


@pytest.fixture
def records() -> Records:
    return records_of(numbered_frames())


@pytest.fixture
def server(records: Records) -> Iterator[EdFiServer]:
    with serving(records) as started:
        yield started


@pytest.fixture
def clean(tmp_path: Path, server: EdFiServer) -> dict[str, bytes]:
    """What a fetch without any fault leaves."""
    fetch_few(server, tmp_path / "clean")
    server.asked.clear()
    return bytes_of(tmp_path / "clean")


@pytest.fixture(autouse=True)
def nothing_leaks_into_logs() -> Iterator[None]:
    """Whatever any library logs, at the finest level."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield
    root.removeHandler(handler)
    root.setLevel(level)
    assert "HTTP" in stream.getvalue()
    assert leaked(stream.getvalue()) == []


def refused(fetching: Callable[[], object]) -> FetchError:
    """The error of a fetch; no part of it shows a student or a secret."""
    with pytest.raises(FetchError) as caught:
        fetching()
    assert leaked(str(caught.value)) == leaked(caught.value.details) == []
    return caught.value


PASSING: dict[str, Spoils] = {
    "500": status(500),
    "502": status(502),
    "503": status(503, Retry_After="0"),
    "429": status(429),
    "408": status(408),
    "cut": cut_off,
    "wrong JSON": content(b'[{"id": "MARKERNAME'),
    "no text": content(b"\xff\xfe\x00"),
    "empty": content(b""),
    "deep": content(b"[" * 100_000),
    "HTML": content(b"<html>MARKERNAME</html>", "text/html; charset=utf-8"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_borne(tmp_path: Path, server: EdFiServer, clean: dict[str, bytes], name: str) -> None:
    server.fail(on("students"), PASSING[name], times=2)
    server.fail(at("/oauth/token"), PASSING[name])
    server.fail(at(CHANGES), PASSING[name])
    fetched = fetch_few(server, tmp_path / "api")
    assert fetched.retries == 4
    assert bytes_of(tmp_path / "api") == clean


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("500", "Asked for students: the server fails (500), 3 times in a row"),
        ("429", "Asked for students: the server has too much to do (429), 3 times in a row"),
        ("cut", "Asked for students: the answer was cut off, 3 times in a row"),
        ("wrong JSON", "Asked for students: the server answers with something else in the place of JSON, 3 times in"),
        ("HTML", "Asked for students: the server answers with a page of HTML in the place of JSON, 3 times in a row"),
    ],
)
def test_what_does_not_pass_ends_after_so_many_attempts(
    tmp_path: Path, server: EdFiServer, clean: dict[str, bytes], name: str, said: str
) -> None:
    server.fail(on("students"), PASSING[name], times=FOREVER, after=1)
    error = refused(lambda: fetch_few(server, tmp_path / "api", connections=1))
    assert error.message.startswith(said)
    assert "run the same command again" in str(error.hint)
    assert server.pages_of("students") == 1 + 3
    assert not (tmp_path / "api" / MANIFEST).exists()
    server.faults.clear()
    server.asked.clear()
    assert fetch_few(server, tmp_path / "api", connections=1).is_resumed
    assert server.pages_of("students") == 2  # 40 records in pages of 25, the first of which had come; and an empty one
    assert bytes_of(tmp_path / "api") == clean


def test_a_server_that_is_slow_is_asked_again(tmp_path: Path, server: EdFiServer, clean: dict[str, bytes]) -> None:
    server.fail(on("students"), slow(1.0))
    assert fetch_few(server, tmp_path / "api", timeout_seconds=0.4).retries >= 1
    assert bytes_of(tmp_path / "api") == clean


def test_a_server_that_is_slow_for_ever_ends_the_fetch(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("schools"), slow(1.0), times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path, timeout_seconds=0.3, attempts=2))
    assert error.message == "Asked for schools: nothing came for 0.3 seconds, 2 times in a row"


def test_an_answer_that_comes_by_drips_does_not_hold_it_for_ever(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("students"), dripping(0.05), times=FOREVER)
    began = time.monotonic()
    error = refused(lambda: fetch_few(server, tmp_path, timeout_seconds=0.2, attempts=1))
    assert "an answer took longer than 1 seconds" in error.message
    assert time.monotonic() - began < 15


def test_what_the_server_asks_to_wait_is_waited(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("students"), status(429, Retry_After="1"))
    began = time.monotonic()
    fetch_few(server, tmp_path, longest_wait_seconds=2)
    assert time.monotonic() - began > 1


def test_a_wait_that_is_too_long_ends_the_fetch_at_once(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("students"), status(429, Retry_After="4000"), times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path, longest_wait_seconds=2))
    assert error.message == "The server asks to wait for 4,000 seconds"


def test_a_wait_until_a_date_is_a_wait(tmp_path: Path, server: EdFiServer) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    server.fail(on("students"), status(429, Retry_After=until), times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path, longest_wait_seconds=2))
    assert re.fullmatch(r"The server asks to wait for 7,[12]\d\d seconds", error.message)


@pytest.mark.parametrize("said", ["tomorrow", "Fri, 31 Feb 2026 00:00:00 GMT", "-5", "1e9", ""])
def test_a_wait_that_nobody_can_read_is_the_ordinary_one(tmp_path: Path, server: EdFiServer, said: str) -> None:
    server.fail(on("students"), status(429, Retry_After=said))
    assert fetch_few(server, tmp_path).retries == 1


def test_a_token_that_expires_in_the_middle_is_renewed(
    tmp_path: Path, server: EdFiServer, clean: dict[str, bytes]
) -> None:
    server.fail(on("students"), doing(lambda each: each.tokens.clear()), times=2)
    assert fetch_few(server, tmp_path / "api").retries == 0
    assert bytes_of(tmp_path / "api") == clean


def test_a_token_is_renewed_before_it_expires(tmp_path: Path, server: EdFiServer) -> None:
    server.token_life = 1
    server.fail(on("students"), slow(0.9), times=2)
    fetch_few(server, tmp_path)
    assert sum(asked.path == "/oauth/token" for asked in server.asked) >= 2


def test_a_token_that_is_never_accepted_ends_the_fetch(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("students"), status(401), times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path))
    assert error.message == "Asked for students: the server does not accept its own token (401)"


def test_a_key_that_is_not_accepted_is_told(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(at("/oauth/token"), status(401), times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path))
    assert error.message == "The API does not accept the key and the secret (401)"
    assert "CIS_EWS_EDFI_KEY" in str(error.hint)


@pytest.mark.parametrize("answer", [b"{}", b'{"access_token": 7}', b'{"access_token": "\\u00e9"}', b"[]"])
def test_a_token_that_is_none_is_told(tmp_path: Path, server: EdFiServer, answer: bytes) -> None:
    server.fail(at("/oauth/token"), content(answer), times=FOREVER)
    assert refused(lambda: fetch_few(server, tmp_path)).exit_code == 3


def test_all_that_the_key_may_not_read_is_told_at_once(tmp_path: Path, server: EdFiServer) -> None:
    server.forbidden |= {"grades", "disciplineActions"}
    error = refused(lambda: fetch(server, tmp_path))
    assert error.message == "The key may not read 2 resources: disciplineActions, grades (403)"
    assert "the action Read on disciplineAction, grade," in str(error.hint)
    assert error.details["resources"] == ["disciplineActions", "grades"]
    assert not any(asked.is_page for asked in server.asked)
    fetch(server, tmp_path, leave_out=("grades", "disciplineActions"))
    notes = read_school_data(tmp_path, format="edfi").coverage.notes
    assert "the fetch leaves out disciplineActions, grades, as configured" in notes


def test_without_students_there_is_nothing_to_fetch(tmp_path: Path, server: EdFiServer) -> None:
    del server.held["students"]
    error = refused(lambda: fetch_few(server, tmp_path))
    assert error.message == "The API has no students (404)"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (400, "the server does not take the request (400); set a smaller page_size"),
        (403, "the key may not read it (403); ask the API's host for a claim set with the action Read"),
        (404, "there is no such thing (404)"),
        (409, "it is in conflict with something else (409); run the same command again later"),
        (418, "the server does not answer as it should (418)"),
    ],
)
def test_a_refusal_is_told_in_plain_words(tmp_path: Path, server: EdFiServer, code: int, said: str) -> None:
    server.fail(on("students"), status(code), times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path))
    assert str(error).startswith(f"Asked for students: {said}")
    assert server.pages_of("students") <= 4  # and no second attempt


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"value": []}', "students: the server answers with JSON that is no list"),
        (b'"MARKERNAME"', "students: the server answers with JSON that is no list"),
        (b'[{"firstName": "MARKERNAME"}, {"id": "a"}]', "students: 1 of 2 records of a page have no id"),
        (b'["MARKERNAME", null, [], {"id": 7}, {"id": "MARKER NAME"}]', "students: 5 of 5 records of a page"),
    ],
)
def test_json_of_another_shape_is_told(tmp_path: Path, server: EdFiServer, body: bytes, said: str) -> None:
    server.fail(on("students"), content(body), times=FOREVER)
    assert refused(lambda: fetch_few(server, tmp_path)).message.startswith(said)


def test_a_server_that_does_not_count_is_told(tmp_path: Path, server: EdFiServer) -> None:
    def uncounted(_server: EdFiServer, _asked: object, reply: Reply) -> Reply:
        return Reply(200, b"[]", {"Content-Type": "application/json"} if reply.status == 200 else reply.headers)

    server.fail(on("students", page=False), uncounted, times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path))
    assert error.message == "students: the server does not say how many there are"


@pytest.mark.parametrize(
    "answer", [b"{}", b"[]", b'{"oldestChangeVersion": "MARKERNAME", "newestChangeVersion": 7}', b'"MARKERNAME"']
)
def test_change_versions_that_are_none_are_told(tmp_path: Path, server: EdFiServer, answer: bytes) -> None:
    server.fail(at(CHANGES), content(answer), times=FOREVER)
    assert "change versions" in refused(lambda: fetch_few(server, tmp_path)).message


@pytest.mark.parametrize("cursor", [True, False], ids=["cursor", "offset"])
def test_a_page_that_comes_twice_is_noticed_and_read_again(tmp_path: Path, records: Records, *, cursor: bool) -> None:
    with serving(records, cursor=cursor) as server:
        fetch_few(server, tmp_path / "clean", page_size=8)
        first = content(_body(server, "students", slice(0, 8)))
        server.asked.clear()
        server.fail(on("students"), _same_headers(first), after=1)
        fetched = fetch_few(server, tmp_path / "api", page_size=8, connections=1)
    assert server.pages_of("students") >= 10
    assert fetched.resources["students"].records == 40
    assert bytes_of(tmp_path / "api") == bytes_of(tmp_path / "clean")


def test_pages_that_always_come_twice_end_the_fetch(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("students"), _same_headers(content(_body(server, "students", slice(0, 8)))), times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path, page_size=8))
    assert error.message.startswith("students: 8 records came and 40 were counted, in the last of 3 attempts")


def test_a_cursor_that_leads_to_itself_does_not_go_on_for_ever(tmp_path: Path, server: EdFiServer) -> None:
    def same_token(_server: EdFiServer, asked: object, reply: object) -> object:
        reply.headers["Next-Page-Token"] = asked.query["pageToken"]  # pyright: ignore[reportAttributeAccessIssue]
        return reply

    server.fail(on("students"), same_token, times=FOREVER)  # pyright: ignore[reportArgumentType]
    assert "in the last of 3 attempts" in refused(lambda: fetch_few(server, tmp_path)).message


def _body(server: EdFiServer, resource: str, part: slice) -> bytes:
    import json

    return json.dumps([held.record for held in server.held[resource][part]]).encode()


def _same_headers(spoils: Spoils) -> Spoils:
    def spoil(server: EdFiServer, asked: object, reply: object) -> object:
        other = spoils(server, asked, reply)  # pyright: ignore[reportArgumentType]
        other.headers = reply.headers  # pyright: ignore[reportAttributeAccessIssue]
        return other

    return spoil  # pyright: ignore[reportReturnType]


# Records that move while they are read.


@pytest.mark.parametrize("cursor", [True, False], ids=["cursor", "offset"])
@pytest.mark.parametrize(
    "happens",
    [
        lambda each: each.delete("students", 1),
        lambda each: each.delete("students", 38),
        lambda each: each.change("students", 0, firstName="MARKERNAMENEW"),
        lambda each: each.change("students", 39, firstName="MARKERNAMENEW"),
        lambda each: (each.change("students", 20, firstName="MARKERNAMENEW"), each.delete("students", 2)),
    ],
)
def test_what_moves_while_it_is_read_is_neither_lost_nor_kept_twice(
    tmp_path: Path, records: Records, *, cursor: bool, happens: Callable[[EdFiServer], object]
) -> None:
    with serving(records, cursor=cursor) as server:
        server.fail(on("students"), doing(happens), times=1, after=1)
        fetched = fetch_few(server, tmp_path / "api", page_size=8, connections=1)
        assert server.pages_of("students") <= 8  # all of them once, and what has changed
        fetch_few(server, tmp_path / "api", page_size=8)
        fetch_few(server, tmp_path / "anew")
    assert fetched.manifest.is_whole
    assert fetched.rounds == 2
    assert bytes_of(tmp_path / "api") == bytes_of(tmp_path / "anew")


def test_what_comes_while_it_is_read_comes_with_the_next_fetch(tmp_path: Path, server: EdFiServer) -> None:
    one = server.held["students"].pop()
    server.fail(on("students"), doing(lambda each: each.add("students", one.record)))
    assert fetch_few(server, tmp_path, page_size=8).resources["students"].records == 39
    again = fetch_few(server, tmp_path, page_size=8)
    assert (again.resources["students"].records, again.resources["students"].changed) == (40, 1)


def test_without_change_queries_a_resource_that_moves_is_read_again(tmp_path: Path, records: Records) -> None:
    with serving(records, changes=False, cursor=False) as server:
        server.fail(on("students"), doing(lambda each: each.delete("students", 0)), after=1)
        fetched = fetch_few(server, tmp_path / "api", page_size=8)
        assert server.pages_of("students") == 2 * 5
        fetch_few(server, tmp_path / "anew")
    assert fetched.resources["students"].records == 39
    assert bytes_of(tmp_path / "api") == bytes_of(tmp_path / "anew")


def test_without_change_queries_what_never_stands_still_is_told(tmp_path: Path, records: Records) -> None:
    with serving(records, changes=False, cursor=False) as server:
        server.fail(on("students"), doing(lambda each: each.delete("students", 0)), times=FOREVER)
        error = refused(lambda: fetch_few(server, tmp_path, page_size=8))
    assert "they move while they are read" in error.message
    assert "change queries" in str(error.hint)


def test_records_that_change_faster_than_they_are_read_are_told(tmp_path: Path, server: EdFiServer) -> None:
    busy = doing(lambda each: [each.change("students", number, firstName="MARKERNAME") for number in range(40)])
    server.fail(on("students"), busy, times=FOREVER)
    error = refused(lambda: fetch_few(server, tmp_path))
    assert error.message.startswith("Records change faster than they can be read: 6 rounds")
    server.faults.clear()
    fetch_few(server, tmp_path)
    assert len(records_in(tmp_path, "students")) == 40
