"""The table of the benchmark: a line a stage, what it is to reach, and how it stands to another line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.state.measuring import Cost

STATE = 1_100_000
"""The students for whom the limits are given; in seconds they are scaled to others."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One stage. `limit`: seconds for a whole state. `memory_limit`: MB. `is_fixed`: the limit is not scaled.

    `beside`: the line that this one is compared with, as so many times its seconds; `times`: how many are to be
    reached.
    """

    name: str
    cost: Cost
    rows: int | None = None
    limit: float | None = None
    memory_limit: float | None = None
    is_fixed: bool = False
    beside: str | None = None
    times: float | None = None


def table(record: Mapping[str, Any], lines: Sequence[Line]) -> Iterator[str]:
    """The text of a record."""
    yield from _machine(record)
    yield f"{'':<42}{'seconds':>9}{'to reach':>9}{'CPU s':>9}{'peak MB':>9}{'rows/s':>13}"
    for line in lines:
        yield _line(line, students=record["students"])
    yield from _ratios(lines)
    yield from _agreement(record)
    for name, steps in record.get("steps", {}).items():
        yield f"\n{name}, step by step (memory: the highest so far)"
        yield from (
            f"  {step:<40}{cost['wall']:>9.2f}{'':>9}{cost['cpu']:>9.2f}{cost['peak_mb']:>9,.0f}"
            for step, cost in steps.items()
            if cost["wall"] >= 0.005
        )
    yield from _sizes(record.get("sizes", []))
    for name, seconds in record.get("usual", {}).items():
        told = ", ".join(f"{step} {spent:.1f}" for step, spent in seconds.items())
        yield f"\nusual script, {name}, seconds on the tenth itself: {told}"


def _machine(record: Mapping[str, Any]) -> Iterator[str]:
    found = record["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    yield f"{record['students']:,} students enrolled at a time; attendance: {record['attendance']}"
    yield f"{found['cores']} cores, {found['cpu']}, {found['memory_gb']} GB, load before {found['load_before']:.1f}"
    yield f"{found['system']}, Python {found['python']}"
    yield packages
    yield "CPU s, peak MB (unique set size): all processes of a stage, without the database's server"
    if record["students"] != STATE:
        yield f"what is to reach is for {STATE:,} students, scaled to these by number; the fixed cost is not"
    yield ""


def _line(line: Line, *, students: int) -> str:
    limit = "" if line.limit is None else f"{line.limit * (1 if line.is_fixed else students / STATE):.2f}"
    rate = "" if line.rows is None else f"{line.rows / line.cost.wall:,.0f}"
    cost = line.cost
    return f"{line.name:<42}{cost.wall:>9.2f}{limit:>9}{cost.cpu:>9.2f}{cost.peak_mb:>9,.0f}{rate:>13}"


def ratios(lines: Sequence[Line]) -> dict[str, float]:
    """How many times the seconds of the line beside it each line takes that has one."""
    seconds = {line.name: line.cost.wall for line in lines}
    return {
        f"{line.name} / {line.beside}": line.cost.wall / seconds[line.beside]
        for line in lines
        if line.beside in seconds
    }


def _ratios(lines: Sequence[Line]) -> Iterator[str]:
    wanted = {f"{line.name} / {line.beside}": line.times for line in lines}
    found = ratios(lines)
    if found:
        yield f"\n{'ratio':>7}{'reach':>6}  of seconds"
    for name, ratio in found.items():
        yield f"{ratio:>7.2f}{wanted[name] or '':>6}  {name}"
    for line in lines:
        if line.memory_limit is not None:
            yield f"memory: {line.name} {line.cost.peak_mb:,.0f} MB of {line.memory_limit:,.0f}"


def _agreement(record: Mapping[str, Any]) -> Iterator[str]:
    found = record.get("indicators")
    if found is None:
        return
    yield f"\nduckdb gives {found['duckdb']} of our {found['ours']} columns, and checks nothing; students who differ:"
    for kind, differing in found["differing"].items():
        told = ", ".join(f"{name} {count:,}" for name, count in differing.items()) or "none"
        yield f"  {kind}: {told}"


def _sizes(sizes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if sizes:
        yield f"\n{'whole nights':<14}{'scored':>12}{'seconds':>9}{'us a student':>14}{'CPU us':>10}{'peak MB':>9}"
    for size in sizes:
        each, of_cpu = (1e6 * size[name] / size["scored"] for name in ("wall", "cpu"))
        yield (
            f"{size['students']:<14,}{size['scored']:>12,}{size['wall']:>9.2f}{each:>14.0f}{of_cpu:>10.0f}"
            f"{size['peak_mb']:>9,.0f}"
        )
