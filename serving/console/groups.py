"""The groups of a district side by side, as the night told them: sums alone, with how many of 100 are flagged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from cis_ews.evaluation.equity import ATTRIBUTES, NOT_RECORDED
from cis_ews.evaluation.groups import OTHERS
from cis_ews.evaluation.side_by_side import SERVED
from cis_ews.storage.pages import GroupTold

_LAST = (NOT_RECORDED, OTHERS)
_ORDER = ("never", "newcomer", "long-term", "former", "yes", "no")
"""Of words that a source does not choose; what it does goes by the alphabet."""
_STEP = 10
"""The chart ends at a multiple of this many students of 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A group. `flagged_share`, of its students, and `served_share`, of those flagged: percent, None where not told."""

    group: str
    told: Mapping[str, int | None]
    flagged_share: float | None
    served_share: float | None
    is_sum: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A line of the chart; lengths of 100. `served_length`: None where it is not told how many are in support."""

    line: Line
    flagged_length: float
    served_length: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An attribute: the sums, its groups, and the chart of those of which enough is told."""

    attribute: str
    lines: Sequence[Line]
    bars: Sequence[Bar]

    @property
    def is_served_told(self) -> bool:
        """Whether of any group it is told what was done: a table of dashes alone says nothing."""
        groups = [line for line in self.lines if not line.is_sum]
        return any(line.told[name] is not None for line in groups for name in SERVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """The groups of a district. `scale`: how many students of 100 flagged are as long as the charts are wide."""

    sections: Sequence[Section]
    scale: int


def group_view(told: Iterable[GroupTold], sums: GroupTold | None) -> GroupView:
    """What the page shows. `sums`: of all students of the district."""
    by_attribute: dict[str, list[Line]] = {name: [] for name in ATTRIBUTES}
    for each in told:
        by_attribute[each.attribute].append(_line(each.group, each.told))
    every = [] if sums is None else [_line("", sums.told, is_sum=True)]
    shown = {name: [*every, *sorted(lines, key=_place)] for name, lines in by_attribute.items() if lines}
    largest = max((line.flagged_share or 0.0 for lines in shown.values() for line in lines), default=0.0)
    scale = max(_STEP, ceil(largest / _STEP) * _STEP)
    return GroupView(
        sections=[
            Section(attribute=name, lines=lines, bars=_compared([bar for line in lines for bar in _bars(line, scale)]))
            for name, lines in shown.items()
        ],
        scale=scale,
    )


def _line(group: str, told: Mapping[str, int | None], *, is_sum: bool = False) -> Line:
    return Line(
        group=group,
        told=told,
        flagged_share=_percent(told["flagged"], told["students"]),
        served_share=_percent(told["in_support"], told["flagged"]),
        is_sum=is_sum,
    )


def _percent(part: int | None, of: int | None) -> float | None:
    return None if part is None or not of else 100 * part / of


def _bars(line: Line, scale: int) -> Iterable[Bar]:
    if line.flagged_share is not None:
        length = 100 * line.flagged_share / scale
        served = None if line.served_share is None else length * line.served_share / 100
        yield Bar(line=line, flagged_length=length, served_length=served)


def _compared(bars: Sequence[Bar]) -> Sequence[Bar]:
    """A chart compares: of the sums alone there is none."""
    return [] if all(bar.line.is_sum for bar in bars) else bars


def _place(line: Line) -> tuple[int, int, str]:
    known = _ORDER.index(line.group) if line.group in _ORDER else len(_ORDER)
    return (_LAST.index(line.group) + 1 if line.group in _LAST else 0, known, line.group)
