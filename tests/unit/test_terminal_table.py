"""What of a table for a person breaks into lines where it is wider than the terminal."""

from __future__ import annotations

import pytest

from cis_ews.cli.terminal import Terminal

GAP = ("race ethnicity: American Indian, low income: no", "false negative rate", "list of 10 %", ".779")
FIGURE = "+.086 [-.058, +.106]"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def _told(capsys: pytest.CaptureFixture[str], columns: tuple[str, ...], *rows: tuple[str, ...]) -> list[str]:
    Terminal().table("A table", columns, rows)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return lines[2:]


def test_a_figure_and_its_interval_stay_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ("group", "measure", "flagged by", "value", "less all others")
    head, first, *rest = _told(capsys, columns, (*GAP, FIGURE))
    assert head.split("  ")[0] == "group"
    assert head.rstrip().endswith("less all others")
    assert first.rstrip().endswith(FIGURE)
    assert " ".join([first.split("  ")[0], *map(str.strip, rest)]) == GAP[0]


def test_a_sentence_at_the_end_breaks_between_words(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "tells of what was found, where it stands, and what there is to do about it"
    head, first, *rest = _told(capsys, ("file", "what"), ("a_rather_long_name_of_a_file.csv", sentence))
    assert head.split() == ["file", "what"]
    assert first.startswith("a_rather_long_name_of_a_file.csv  tells of")
    assert " ".join(["tells", *first.split()[2:], *(word for line in rest for word in line.split())]) == sentence


def test_nothing_of_a_cell_moves_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _, row = _told(capsys, ("student_id", "tier"), ("a\x1b[31m\r\nb\u202e", "3"))
    assert row.split() == ["a·[31m··b·", "3"]
