"""The benchmark of the console opens every page that it times, on a state of some thousand students; judges no time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import console


def test_people_at_work_open_every_page_and_a_meeting_goes_on_to_the_next_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "SECONDS_A_PAGE", 0.2)
    tmp_path.chmod(0o700)
    console.prepare(tmp_path, students=3_000)
    emails = console.publish(tmp_path, f"sqlite:///{tmp_path}/store/cis_ews.db", people=2)
    assert len(emails) == 2
    with console.served(tmp_path, f"sqlite:///{tmp_path}/store/cis_ews.db") as port:
        people = [console.Person(email, port) for email in emails]
        assert min(len(person.meeting) for person in people) > 1
        seen = console.work(people, seconds=2.0)
    assert len(seen) == 20
    assert {one.page for one in seen} == {"today", "school", "student", "meeting"}
    assert {one.status for one in seen} == {200}
    assert min(one.size for one in seen) > 500
    console.report(seen)
    out = capsys.readouterr().out
    assert "cases" in out
    assert [line.split()[0] for line in out.splitlines()[-4:]] == ["meeting", "school", "student", "today"]
