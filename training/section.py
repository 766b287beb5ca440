"""A table with a title and sentences below it, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cis_ews.evaluation.bootstrap import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table with a title and sentences below it. `brief`: the rows that a terminal shows, where not all,
    `brief_columns` their columns, where others, and `brief_notes`, which ones they are."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    brief: Sequence[Sequence[str]] | None = None
    brief_columns: Sequence[str] | None = None
    brief_notes: Sequence[str] = ()

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows for a terminal."""
        return self.rows if self.brief is None else self.brief

    @property
    def shown_columns(self) -> Sequence[str]:
        """The columns of `shown`."""
        return self.columns if self.brief_columns is None else self.brief_columns

    def markdown(self) -> str:
        """The section in Markdown, with all rows."""
        parts = [f"## {self.title}"]
        if self.rows:
            parts.append(markdown_table(self.columns, self.rows))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    """A school may be called anything."""
    return " ".join(text.split()).replace("|", "\\|")


def two_decimals(value: float, drawn: Estimate | None, *, sign: str = "") -> str:
    """A figure with two decimals, and its interval where there is one."""
    told = f"{value:{sign}.2f}"
    if drawn is None or drawn.low is None or drawn.high is None:
        return told
    return f"{told} [{drawn.low:{sign}.2f}, {drawn.high:{sign}.2f}]"


def three_decimals(found: Estimate, *, sign: bool = False) -> str:
    """A figure with three decimals, and its interval where there is one."""
    value = short(found.value, sign=sign)
    if found.low is None or found.high is None:
        return value
    return f"{value} [{short(found.low)}, {short(found.high)}]"


def short(value: float, *, sign: bool = False, decimals: int = 3) -> str:
    """A figure without the zero before its decimals."""
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("0.", ".", 1)
