"""Whom a fetch trusts: the certificate of the server, the addresses that it names, and nobody else with the token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cis_ews.errors import ConfigError, FetchError
from cis_ews.readers.edfi_api_config import ApiConfig
from tests.lib.certificates import server_context, write_authority_and_server
from tests.lib.edfi_api_records import Records, numbered_frames, records_of
from tests.lib.edfi_fetch import fetch_few, leaked
from tests.lib.edfi_server import Asked, EdFiServer, Reply, at, on, serving

PLACEHOLDER = "{schoolYearFromRoute}"


@pytest.fixture
def records() -> Records:
    found = records_of(numbered_frames())
    return {name: found[name] for name in ("students", "schools")}


@pytest.fixture
def server(records: Records) -> Iterator[EdFiServer]:
    with serving(records) as started:
        yield started


def moved(to: str, status: int = 307):
    """A redirect; the rest of the address stays as it was."""

    def redirect(server: EdFiServer, asked: Asked, _reply: Reply) -> Reply:
        query = "&".join(f"{name}={value}" for name, value in asked.query.items())
        return Reply(status, b"MARKERNAME", {"Location": f"{to or server.url}{asked.path}?{query}"})

    return redirect


def test_a_certificate_of_the_districts_own_authority_is_trusted_where_it_is_named(
    tmp_path: Path, records: Records
) -> None:
    authority, certificate = write_authority_and_server(tmp_path)
    with serving(records, context=server_context(certificate)) as server:
        assert server.url.startswith("https://")
        fetched = fetch_few(server, tmp_path / "api", ca_bundle=authority)
        assert fetched.manifest.resources["students"].records == 40
        server.asked.clear()
        with pytest.raises(FetchError, match="certificate of the server is not trusted") as caught:
            fetch_few(server, tmp_path / "other")
    assert "ca_bundle" in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize("wrong", [{"address": "127.0.0.2"}, {"days": -1}], ids=["another host", "run out"])
def test_a_certificate_of_another_host_or_time_is_not_trusted(
    tmp_path: Path, records: Records, wrong: dict[str, object]
) -> None:
    authority, certificate = write_authority_and_server(tmp_path, **wrong)  # pyright: ignore[reportArgumentType]
    with serving(records, context=server_context(certificate)) as server:
        with pytest.raises(FetchError, match="certificate of the server is not trusted"):
            fetch_few(server, tmp_path / "api", ca_bundle=authority)
        assert server.asked == []


@pytest.mark.parametrize("content", [None, b"", b"MARKERNAME"])
def test_a_bundle_that_is_none_is_told(tmp_path: Path, server: EdFiServer, content: bytes | None) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bundle\.pem is no file of certificates"):
        fetch_few(server, tmp_path / "api", ca_bundle=bundle)


def test_a_redirect_to_another_host_is_not_followed(tmp_path: Path, server: EdFiServer, records: Records) -> None:
    with serving(records) as other:
        server.fail(on("students"), moved(other.url))
        with pytest.raises(FetchError, match=r"sends requests on to 127\.0\.0\.1") as caught:
            fetch_few(server, tmp_path)
        assert other.asked == []
    assert leaked(caught.value) == []


def test_neither_is_one_of_the_key_and_the_secret(tmp_path: Path, server: EdFiServer, records: Records) -> None:
    with serving(records) as other:
        server.fail(at("/oauth/token"), moved(other.url))
        with pytest.raises(FetchError, match="sends requests on to"):
            fetch_few(server, tmp_path)
        assert other.asked == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_within_the_server_is_followed(tmp_path: Path, server: EdFiServer, status: int) -> None:
    for path in ("/", "/oauth/token", "/data/v3/ed-fi/students"):
        server.fail(at(path), moved("", status))
    assert fetch_few(server, tmp_path).manifest.resources["students"].records == 40


def test_redirects_without_end_are_told(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(on("students"), moved(""), times=100)
    with pytest.raises(FetchError, match="another address of its own, again and again"):
        fetch_few(server, tmp_path)


def discovery(**urls: str):
    """The discovery document with other addresses."""

    def spoil(server: EdFiServer, _asked: Asked, reply: Reply) -> Reply:
        said = json.loads(reply.body)
        said["urls"] |= {name: address.replace("ROOT", server.url) for name, address in urls.items()}
        return Reply(200, json.dumps(said).encode(), reply.headers)

    return spoil


@pytest.mark.parametrize("name", ["oauth", "dataManagementApi", "changeQueries"])
@pytest.mark.parametrize("address", ["https://elsewhere.example/api", "http://10.0.0.1/api", "file:///etc/passwd"])
def test_an_address_of_another_host_is_not_asked(tmp_path: Path, server: EdFiServer, name: str, address: str) -> None:
    server.fail(at("/"), discovery(**{name: address}))
    with pytest.raises(FetchError, match=f"names another place as its {name}") as caught:
        fetch_few(server, tmp_path, hosts=("elsewhere.example",) if address.startswith("http:") else ())
    assert "`hosts`" in str(caught.value)
    assert len(server.asked) == 1


def test_a_further_host_may_be_named(tmp_path: Path, server: EdFiServer, records: Records) -> None:
    authority, certificate = write_authority_and_server(tmp_path)
    with serving(records, context=server_context(certificate)) as signs:
        signs.tokens = server.tokens
        signs.token_life = 700
        server.fail(at("/"), discovery(oauth=f"{signs.url}/oauth/token"))
        fetch_few(server, tmp_path / "api", hosts=("127.0.0.1",), ca_bundle=authority)
        assert [asked.path for asked in signs.asked] == ["/oauth/token"]


def test_an_address_a_year_is_completed(tmp_path: Path, server: EdFiServer) -> None:
    server.fail(at("/"), discovery(changeQueries=f"ROOT/changeQueries/v1/{PLACEHOLDER}"), times=2)
    with pytest.raises(FetchError, match="a place for 'schoolYearFromRoute'") as caught:
        fetch_few(server, tmp_path)
    assert "`school_year`" in str(caught.value)
    with pytest.raises(FetchError):  # the server of the tests has no such address
        fetch_few(server, tmp_path, school_year=2026, snapshot=True)
    assert server.asked[-1].path == "/changeQueries/v1/2026/availableChangeVersions"
    server.violations.clear()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://api.district.example", "should begin with https://"),
        ("ftp://api.district.example", "should begin with https://"),
        ("api.district.example", "should begin with https://"),
        ("http://127.0.0.1.example", "should begin with https://"),
        ("https://MARKERNAME:pass@api.district.example", "holds a name or a password"),
        ("https://api.district.example/?token=MARKERNAME", "without a query"),
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        ApiConfig(url=url)
    assert "MARKERNAME" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:8001/api/", "http://127.0.0.1", "http://[::1]:80", "https://a.example"]
)
def test_an_address_that_is_safe_is_taken(url: str) -> None:
    assert ApiConfig(url=url).url == url.rstrip("/")


def test_the_root_of_something_else_is_told(tmp_path: Path, server: EdFiServer) -> None:
    for body in (b"[]", b"{}", b'{"urls": {}, "dataModels": [{"name": "Ed-Fi", "version": "five"}]}'):
        server.fail(at("/"), lambda _server, _asked, _reply, body=body: Reply(200, body))
        with pytest.raises(FetchError) as caught:
            fetch_few(server, tmp_path)
        assert "`url`" in str(caught.value)


def test_a_server_that_is_not_there_is_told(tmp_path: Path, records: Records) -> None:
    with serving(records) as server:
        pass
    with pytest.raises(FetchError, match=r"the discovery document: cannot be reached, 3 times in a row"):
        fetch_few(server, tmp_path)
