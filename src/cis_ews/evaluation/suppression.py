"""Which groups may be told: none so small that a child could be found, nor one that would give such a group away."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

FEWEST = 10
"""The smallest group of which anything is told (domain: n < 10 is suppressed in public reports on students)."""

Group = tuple[str, ...]
Cell = tuple[str, str]
"""A place in a table: row, column."""
Vertex = tuple[str, str]
"""A line of a table: its kind, its name."""
Street = tuple[Vertex, Vertex]
"""From a line to another one, along a hidden cell of both."""


def told_cells(*counts: Mapping[Group, int], hidden: Collection[Group] = ()) -> frozenset[Group]:
    """The groups of an attribute, or of a pair of attributes, of which all of these counts may be told.

    `counts`: each of the same groups; `hidden`: groups that may not be told for another reason. A group is told with
    all of its counts or with none of them: not where one of them is of 1 to 9 students. Where a group is the only one
    left out of a line that adds up to something that is told elsewhere (all groups of an attribute; of a pair, all
    groups with one value in common), or one of the counts is under 10 in all that are left out together, subtraction
    would give them away: the smallest other group of that line (by the first count) is left out too, and so on until no
    line gives anything away, nor several lines of a pair together one of 1 to 9 students. A group of which every count
    is 0 keeps no other one from being found, and is told.
    """
    sizes = {group: size for group, size in counts[0].items() if any(count[group] for count in counts)}
    left_out = {group for group in sizes if group in hidden or any(0 < count[group] < FEWEST for count in counts)}
    while True:
        lines = [line for line in _lines(sizes) if line - left_out]
        more = {
            _smallest(line - left_out, sizes)
            for line in lines
            if any(_gives_away(line & left_out, count) for count in counts)
        }
        if not more:
            more = _given_away_by_lines(left_out, sizes, counts, unknown=frozenset(hidden))
        if not more:
            return frozenset(counts[0]) - left_out - frozenset(hidden)
        left_out |= more


def told_rate(of: Mapping[Group, int], met: Mapping[Group, int], *, among: Collection[Group]) -> frozenset[Group]:
    """The groups of which the rate `met` / `of` may be told with both of its numbers: neither those whom it met nor
    those whom it spared are 1 to 9, in a group or in all together that are left out. `among`: those whose `of` may be
    told."""
    spared = {group: number - met[group] for group, number in of.items()}
    return told_cells(of, met, spared, hidden=of.keys() - among)


def _gives_away(hidden: Collection[Group], sizes: Mapping[Group, int]) -> bool:
    return len(hidden) == 1 or 0 < sum(sizes[group] for group in hidden) < FEWEST


def _given_away_by_lines(
    left_out: Collection[Group],
    sizes: Mapping[Group, int],
    counts: Iterable[Mapping[Group, int]],
    *,
    unknown: Collection[Group],
) -> set[Group]:
    """Of a pair, what has to be left out since several lines together give away a group of 1 to 9 students.

    `unknown`: groups that may not be told for another reason. A line of those alone is that of a group that is not told
    by itself: of all such lines the sum is known together.
    """
    if not left_out or len(next(iter(left_out))) != 2:
        return set()
    known = [{group[place] for group in sizes if group not in unknown} for place in range(2)]
    ends = {group: [_end(place, group[place], known[place]) for place in range(2)] for group in left_out}
    told = sizes.keys() - left_out
    more: set[Group] = set()
    for count in counts:
        streets = {group: _both_ways(*ends[group], count=count[group]) for group in left_out}
        for group in (group for group in _settled(streets) if 0 < count[group] < FEWEST and told):
            near = [each for each in told if group[0] == each[0] or group[1] == each[1]]
            more.add(_smallest(near or told, sizes))
    return more


def _end(place: int, value: str, known: Collection[str]) -> Vertex:
    return (f"value {place}", value) if value in known else (f"not told {place}", "")


def _lines(sizes: Mapping[Group, int]) -> list[frozenset[Group]]:
    width = len(next(iter(sizes), ()))
    if width < 2:
        return [frozenset(sizes)]
    values = {(place, group[place]) for group in sizes for place in range(width)}
    return [frozenset(group for group in sizes if group[place] == value) for place, value in sorted(values)]


def _smallest(groups: Collection[Group], sizes: Mapping[Group, int]) -> Group:
    return min(groups, key=lambda group: (sizes[group], group))


def told_table(
    counts: Mapping[Cell, int], *, total: str | None, sooner: str | None = None, are_sums_known: bool = False
) -> frozenset[Cell]:
    """The cells of a table of counts that may be told, none of which gives another one away.

    `counts`: (row, column) -> students, every row with every column. The column `total` holds the sum of the row's
    others; without one, the sum of every row is known. The sums over all rows are told elsewhere, by the same rule:
    those that a table of this one row would tell; with `are_sums_known` all of them, since some of those who see the
    table may count the students themselves.

    Cells under 10 are left out. More are, those of the column `sooner` first (what readers need least), the smallest
    before the others, until nobody who adds and subtracts what is told, and knows that no count is negative, can tell a
    cell that is left out, nor that those of one line are under 10 together. Only a known sum of nobody tells its cells.
    """
    table = _Table(counts, total, sooner, are_sums_known=are_sums_known)
    hidden = {cell for cell, count in counts.items() if count < FEWEST}
    while more := table.to_hide_by_line(hidden) or table.to_hide_by_walk(hidden):
        hidden |= more
    return frozenset(counts) - hidden


class _Table:
    """A table as a graph: rows and columns are vertices, a hidden cell is an edge. What is added to a cell has to be
    taken from another one of its row and of its column, and so on: it can be another number than it is if such a walk
    comes back to where it began. A count of 0 cannot be lowered: its edge is a one-way street."""

    def __init__(
        self, counts: Mapping[Cell, int], total: str | None, sooner: str | None, *, are_sums_known: bool
    ) -> None:
        self._counts = counts
        self._total = total
        self._sooner = sooner
        rows, columns = {row for row, _ in counts}, {column for _, column in counts}
        self._rows = {row: [(row, column) for column in sorted(columns)] for row in sorted(rows)}
        every = {column: [(row, column) for row in self._rows] for column in columns}
        sums = {column: sum(counts[cell] for cell in cells) for column, cells in every.items()}
        self._columns: dict[str, list[Cell]] = {}
        if len(rows) > 1:
            told = frozenset(columns) if are_sums_known else _told_sums(sums, total, sooner)
            self._columns = {column: cells for column, cells in every.items() if column in told}

    def to_hide_by_line(self, hidden: Collection[Cell]) -> set[Cell]:
        """What has to be hidden since a line alone gives away what is hidden in it."""
        more: set[Cell] = set()
        for line in (*self._rows.values(), *self._columns.values()):
            left_out = [cell for cell in line if cell in hidden]
            parts = [cell for cell in left_out if line is self._columns.get(cell[1]) or cell[1] != self._total]
            is_few = bool(parts) and sum(self._counts[cell] for cell in parts) < FEWEST
            if left_out and (len(left_out) == 1 or is_few):
                more |= self._next_of(line, hidden)
        return more

    def to_hide_by_walk(self, hidden: Collection[Cell]) -> set[Cell]:
        """What has to be hidden since several lines together give a hidden cell away."""
        more: set[Cell] = set()
        for cell in _settled({cell: self._streets(cell) for cell in hidden}):
            near = [*self._rows[cell[0]], *self._columns.get(cell[1], ())]
            more |= self._next_of(near, hidden) or self._next_of(self._counts, hidden)
        return more

    def _next_of(self, cells: Collection[Cell], hidden: Collection[Cell]) -> set[Cell]:
        """The next cell that is still told, a total at last; none where all are hidden."""
        told = [cell for cell in cells if cell not in hidden]
        return set(sorted(told, key=self._worth)[:1])

    def _worth(self, cell: Cell) -> tuple[bool, bool, int, Cell]:
        return (cell[1] == self._total, cell[1] != self._sooner, self._counts[cell], cell)

    def _streets(self, cell: Cell) -> Sequence[Street]:
        """The ways along a hidden cell: from row to column it grows, back it shrinks; a total the other way round."""
        row, column = ("row", cell[0]), ("column", cell[1]) if cell[1] in self._columns else _FREE
        start, end = (column, row) if cell[1] == self._total else (row, column)
        return _both_ways(start, end, count=self._counts[cell])


_FREE = ("free", "")
"""Where columns end whose sums nobody knows."""


def _both_ways(start: Vertex, end: Vertex, *, count: int) -> Sequence[Street]:
    """Forth a count grows; back it shrinks, unless it is 0."""
    return [(start, end), (end, start)][: 2 if count > 0 else 1]


_Hidden = TypeVar("_Hidden", Cell, Group)


def _settled(streets_of: Mapping[_Hidden, Sequence[Street]]) -> list[_Hidden]:
    """The hidden cells that can be no other number than they are, in order."""
    streets: dict[Vertex, list[tuple[Vertex, _Hidden]]] = {}
    for cell, ways in streets_of.items():
        for start, end in ways:
            streets.setdefault(start, []).append((end, cell))
    return [
        cell
        for cell, ways in sorted(streets_of.items())
        if not any(_leads(end, start, but=cell, streets=streets) for start, end in ways)
    ]


def _leads(
    start: Vertex, end: Vertex, *, but: _Hidden, streets: Mapping[Vertex, Collection[tuple[Vertex, _Hidden]]]
) -> bool:
    """Whether a walk over other hidden cells leads from one line to another; the shortest way round is tried first."""
    seen, queue = {start}, deque([start])
    while queue:
        for following, cell in streets.get(queue.popleft(), ()):
            if cell == but:
                continue
            if following == end:
                return True
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return False


def _told_sums(sums: Mapping[str, int], total: str | None, sooner: str | None) -> frozenset[str]:
    """The columns whose sums are told: what a table of the sums alone would tell."""
    told = told_table({("", name): size for name, size in sums.items()}, total=total, sooner=sooner)
    return frozenset(column for _, column in told)


def told_reasons(reasons: Mapping[str, int]) -> dict[str, int | None]:
    """Why students are missing -> how many, the most frequent reason first.

    Reasons of fewer than 10 students are told together, under their names joined by ", ": with the smallest of the
    others too where they are too few even so. None where all together are fewer than 10.
    """
    by_count = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    alone = [(reason, count) for reason, count in by_count if count >= FEWEST]
    small = [(reason, count) for reason, count in by_count if count < FEWEST]
    while small and alone and (len(small) == 1 or sum(count for _, count in small) < FEWEST):
        small.insert(0, alone.pop())
    told: dict[str, int | None] = dict(alone)
    if small:
        told[", ".join(reason for reason, _ in small)] = told_count(sum(count for _, count in small))
    return told


def told_count(count: int) -> int | None:
    """The count; None where it is of 1 to 9 students."""
    return None if 0 < count < FEWEST else count


def told_whole(*parts: int) -> int | None:
    """The sum of parts that are told by `told_count`; None where a part is not, since subtraction would tell it."""
    return None if None in map(told_count, parts) else sum(parts)


def as_told(count: int | None) -> str:
    """A count of `told_count` in words."""
    return f"fewer than {FEWEST}" if count is None else f"{count:,}"


def left_out_for(reasons: Mapping[str, int]) -> str:
    """`told_reasons` on one line."""
    return "; ".join(f"{why} ({as_told(count)})" for why, count in told_reasons(reasons).items())
