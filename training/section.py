"""A table with a title and sentences below it, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table with a title and sentences below it. `brief`: the rows that a terminal shows, where not all."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    brief: Sequence[Sequence[str]] | None = None

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows for a terminal."""
        return self.rows if self.brief is None else self.brief

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
