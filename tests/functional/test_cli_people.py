"""The verbs about people and the audit, as they are typed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from cis_ews.enums import AuditAction
from cis_ews.storage.database import Database, Event
from cis_ews.storage.store import RunStore
from cis_ews.support.passwords import is_password
from cis_ews.support.words import AUDIT_WORDS
from tests.lib.command import command

ADD = ("people", "add", "ana@example.org", "--name", "Ana Ruiz", "--role", "coordinator")
PLACE = ("--district", "d1", "--school", "s1")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with an empty database."""
    with Database(RunStore(tmp_path).database_url) as database:
        database.upgrade()
    return str(tmp_path)


def _database(store: str) -> Database:
    return Database(RunStore(store).database_url)


def _hash(store: str) -> str | None:
    with _database(store) as database:
        known = database.people.credentials("ana@example.org")
    assert known is not None
    return known.password_hash


def test_a_person_is_added_with_a_password_that_is_shown_once(store: str) -> None:
    done = command(*ADD, *PLACE, "--store", store)
    assert done.code == 0
    password = done.out.split()[-1]
    assert is_password(password, _hash(store))
    with _database(store) as database:
        person = database.people.by_email("ana@example.org")
    assert person is not None
    assert person.password_is_temporary
    listed = command("people", "list", "--store", store).out
    assert "ana@example.org" in listed
    assert "coordinator (d1, s1)" in " ".join(listed.split())
    assert password not in listed


def test_a_password_from_stdin_may_stay_and_is_not_shown(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("four words in a row\n"))
    done = command(*ADD, *PLACE, "--password-stdin", "--json", "--store", store)
    assert done.code == 0
    assert "four words" not in done.out
    assert is_password("four words in a row", _hash(store))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (ADD, "needs a district"),
        ((*ADD, "--district", "d1"), "needs a school"),
        ((*ADD, *PLACE, "--language", "xx"), "there are: en, es"),
        (("people", "add", "ana", "--name", "A", "--role", "state"), "no e-mail address"),
        (("people", "disable", "nobody@example.org"), "There is no account"),
        (("people", "grant", "nobody@example.org", "--role", "state"), "There is no account"),
        (("audit", "search", "--person", "nobody@example.org"), "There is no account"),
    ],
)
def test_a_mistake_is_said_with_what_to_do(store: str, arguments: tuple[str, ...], message: str) -> None:
    done = command(*arguments, "--store", store)
    assert done.code == 2
    assert message in " ".join(done.err.split())


def test_roles_passwords_and_accounts_are_changed_and_the_audit_tells(store: str) -> None:
    assert command(*ADD, *PLACE, "--store", store).code == 0
    email = "ana@example.org"
    before = _hash(store)
    for verb in (
        ("people", "grant", email, "--role", "data_steward", "--district", "d1"),
        ("people", "revoke", email, "--role", "coordinator", *PLACE),
        ("people", "password", email),
        ("people", "disable", email),
        ("people", "enable", email),
    ):
        assert command(*verb, "--store", store).code == 0
    assert command("people", "revoke", email, "--role", "coordinator", *PLACE, "--store", store).code == 2
    assert _hash(store) != before
    lines = command("audit", "search", "--json", "--store", store).out.splitlines()
    actions = [json.loads(line)["action"] for line in lines if json.loads(line)["event"] == "audit"]
    expected = {"person_added", "role_granted", "role_revoked", "password_reset", "person_disabled", "person_enabled"}
    assert set(actions) == expected | {"person_unlocked"}
    shown = command("audit", "search", "--district", "d1", "--action", "role_revoked", "--store", store).out
    assert shown.splitlines()[0] == "When (UTC), who, what, whom:"
    assert [line[17:] for line in shown.splitlines()[1:]] == ["command line: role taken away"]
    assert "Ana" not in "".join(lines)


def test_the_audit_is_told_in_words_that_are_not_broken(store: str) -> None:
    assert command(*ADD, *PLACE, "--store", store).code == 0
    ref = "0123456789abcdef" * 2
    with _database(store) as database:
        ana = database.people.by_email("ana@example.org")
        assert ana is not None
        said = {"why_allowed": "site coordinator of this school", "district_id": "d1", "person_id": ana.person_id}
        for action in AuditAction:
            database.audit.record(Event(action=action, **said, ref=ref))
        database.audit.record(Event(action=AuditAction.LIST_SEEN, **said, refs=["a", "b"]))
        database.people.refused(None)
    out = command("audit", "search", "--person", "ana@example.org", "--store", store).out
    assert max(map(len, out.splitlines())) <= 80
    told = " ".join(out.split())
    assert "ana@example.org: list seen, a list of 2" in told
    assert [words for words in AUDIT_WORDS.values() if f"ana@example.org: {words}, {ref}" not in told] == []
    refused = command("audit", "search", "--action", "sign_in_refused", "--limit", "1", "--store", store).out
    assert refused.splitlines()[1][17:] == "nobody was let in: sign-in refused"
    assert len(command("audit", "search", "--ref", "a", "--store", store).out.splitlines()) == 2


def test_the_audit_is_verified_and_a_change_is_found(store: str) -> None:
    assert command(*ADD, *PLACE, "--store", store).code == 0
    done = command("audit", "verify", "--store", store)
    assert done.code == 0
    assert "2 entries in 2 chains: whole." in done.out
    head = next(line.split()[-1] for line in done.out.splitlines() if line.startswith("d1 "))
    assert command("audit", "verify", "--head", head, "--store", store).code == 0
    lost = command("audit", "verify", "--head", "0" * 64, "--store", store)
    assert lost.code == 5
    assert "no entry has the head" in " ".join(lost.err.split())
    engine = create_engine(RunStore(store).database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE audit SET why_allowed = 'nothing' WHERE district_id = 'd1'"))
    engine.dispose()
    found = command("audit", "verify", "--store", store)
    assert found.code == 5
    assert "district d1, entry 1: changed" in " ".join(found.err.split())
