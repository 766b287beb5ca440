"""How a verb speaks: to a person on a terminal, or in JSON lines to a program. Errors always go to stderr."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from cis_ews.logs import get_log
from cis_ews.wording import visible

WIDTH = 80
NARROWEST = 20
GAP = 2  # between the columns of a table
FIGURE = 20  # so wide is a column of figures and their intervals
Row = Sequence[object]
_COLUMNS = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())


class Terminal:
    """What one verb writes and shows; it is a `cis_ews.progress.Progress` too.

    On a terminal: bars while a step runs, tables after. With `as_json`: one JSON object a line on stdout. Otherwise (a
    pipe, a cron job): the tables, and one line a step on stderr.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, markup=False, emoji=False)
        self._err = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar: tuple[Progress, TaskID] | None = None
        self._depth = 0
        self.begun: set[str] = set()  # names of steps

    def say(self, text: str = "") -> None:
        """A line for a person."""
        if not self.as_json:
            self.out.print(_visible_lines(text), soft_wrap=True)

    def item(self, text: str, *, mark: str = "-") -> None:
        """A sentence for a person, indented, in lines that are easy to read."""
        self.say(wrapped(text, self._width, first=f"  {mark} ", rest="    "))

    def line(self, text: str, *, indent: str = "") -> None:
        """A sentence for a person that may be longer than a line; what was broken is indented."""
        self.say(wrapped(text, self._width, first=indent, rest=f"{indent}  "))

    def place(self, text: str, path: Path) -> None:
        """A sentence that ends in a path: on a line of its own, and whole, where both do not fit into one."""
        fits = len(f"{text} {path}") <= self._width
        self.say(f"{text} {path}" if fits else f"{text}\n  {path}")

    def shell(self, *words: str) -> None:
        """A command to copy; where it does not fit into a line it goes on in the next, as a shell reads it."""
        line = f"  {shlex.join(words)}"
        self.say(line if len(line) <= self._width else "  " + " \\\n    ".join(map(shlex.quote, words)))

    @property
    def _width(self) -> int:
        return max(NARROWEST, min(WIDTH, self.out.width))

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """A small table for a person: numbers to the right, and only the last column breaks into lines.

        Where that holds figures, or a word of it would have to break, it stays whole, and the widest breaks into lines.
        """
        listed = [list(row) for row in rows]
        if self.as_json or not listed:
            return
        widths = [max(len(name), *(len(_text(row[at])) for row in listed)) for at, name in enumerate(columns)]
        is_figures = widths[-1] <= FIGURE and any(character.isdigit() for row in listed for character in _text(row[-1]))
        breaks = len(columns) - 1 if not is_figures and self.shows_whole(columns, listed) else widths.index(max(widths))
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for place, name in enumerate(columns):
            numbers = all(isinstance(row[place], int | float) for row in listed)
            justify = "right" if numbers else "left"
            table.add_column(name, justify=justify, overflow="fold", no_wrap=place != breaks)
        for row in listed:
            table.add_row(*("-" if value is None else _text(value) for value in row))
        self.out.print(f"\n{title}", style="bold", soft_wrap=True)
        self.out.print(table)

    def shows_whole(self, columns: Sequence[str], rows: Sequence[Row]) -> bool:
        """Whether no word in the last column of such a table has to be broken."""
        *others, last = [[name, *(_text(row[at]) for row in rows)] for at, name in enumerate(columns)]
        room = self.out.width - sum(max(map(len, cells)) + GAP for cells in others)
        return max(len(word) for cell in last for word in cell.split()) <= room

    def record(self, event: str, **fields: object) -> None:
        """A JSON line for a program."""
        if self.as_json:
            print_json({"event": event, **fields})

    @contextmanager
    def step(self, name: str, *, total: int | None = None) -> Generator[None]:
        """Show one named step while it runs, and note how long it took; a step inside a step shows its own bar."""
        began = time.perf_counter()
        self.begun.add(name)
        self._depth += 1
        try:
            with self._shown(name, total):
                yield
        finally:
            self._depth -= 1
        if not self._depth:
            self._note(name, round(time.perf_counter() - began, 3))

    def advance(self, amount: int = 1) -> None:
        """Move the bar of the current step."""
        if self._bar is not None:
            progress, task = self._bar
            progress.advance(task, amount)

    def _note(self, name: str, seconds: float) -> None:
        self.record("step", step=name, seconds=seconds)
        get_log().info("step", step=name, seconds=seconds)
        if not self.as_json and not self._err.is_terminal:
            self._err.print(f"{name}: {seconds:.1f} s")

    @contextmanager
    def _shown(self, name: str, total: int | None) -> Generator[None]:
        if self.as_json or not self._err.is_terminal:
            yield
            return
        outer = self._bar
        progress = outer[0] if outer else Progress(*_COLUMNS, console=self._err, transient=True)
        task = progress.add_task(name, total=total)
        self._bar = (progress, task)
        try:
            with nullcontext() if outer else progress:
                yield
        finally:
            progress.remove_task(task)
            self._bar = outer


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> str:
    """A text in lines; a word, such as a path or a run's id, is never broken."""
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def print_json(fields: Mapping[str, object], *, to_stderr: bool = False) -> None:
    """One JSON object on a line of its own."""
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write(json.dumps(fields, default=_plain, ensure_ascii=False) + "\n")


def print_error(message: str) -> None:
    """A line for a person, on stderr; broken into several on a terminal alone, so that a log keeps it whole."""
    console, message = Console(stderr=True, highlight=False, markup=False, emoji=False), _visible_lines(message)
    if console.is_terminal:
        width = max(NARROWEST, min(WIDTH, console.width))
        message = "\n".join(wrapped(line, width, rest="  ") for line in message.splitlines())
    console.print(message, soft_wrap=True)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else str(value)


def _visible_lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if isinstance(value, float) else visible(str(value))
