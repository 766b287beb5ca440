"""Flagged and served, group beside group: counts that are told as a whole, or not at all.

A number that would point at few students is left out, and so is whatever would give such a number away
(`cis_ews.evaluation.suppression`): tables of one district share their sums, and no other number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cis_ews.enums import CaseState
from cis_ews.evaluation.suppression import Cell, told_table
from cis_ews.support.reviews import FLAGGED_FROM
from cis_ews.support.transitions import IN_SUPPORT, UNSEEN

STUDENTS, FLAGGED, NOT_FLAGGED = "students", "flagged", "not_flagged"
TIERS: Mapping[int | None, str] = {3: "tier_3", 2: "tier_2", 1: "tier_1", None: "not_enough_data"}
SERVED = ("in_support", "in_touch", "unseen")
COLUMNS = (STUDENTS, *TIERS.values(), FLAGGED, *SERVED)
"""Everything that is told of a school, a grade or a district."""
OF_GROUPS = (STUDENTS, FLAGGED, *SERVED)
"""What is told of a group of students."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns that add up to the last of them. `sooner`: what is left out before the others, to hide what is few."""

    columns: Sequence[str]
    sooner: str

    def told(self, counts: Mapping[Cell, int], *, are_sums_known: bool = False) -> frozenset[Cell]:
        """The cells that may be told."""
        return told_table(counts, total=self.columns[-1], sooner=self.sooner, are_sums_known=are_sums_known)


OF_TIERS = Table((*TIERS.values(), STUDENTS), sooner="tier_1")
"""Pages compare who is flagged; Tier 1 is the rest, and stands on none of them."""
OF_FLAGGED = Table((FLAGGED, NOT_FLAGGED, STUDENTS), sooner=NOT_FLAGGED)
OF_SERVED = Table((*SERVED, FLAGGED), sooner="unseen")
EVERY = ""
"""The group of all students: the sums."""
_REST = "\0"
"""Stands for several groups; none has this name."""
Counted = tuple[str, int | None, CaseState | None, int]
"""A group, a tier, what was done about it, and how many students there are of these."""
Told = Mapping[str, int | None]
"""Column -> number, None where it is not told."""


def in_full(counts: Iterable[Counted]) -> dict[str, Told]:
    """Group -> every number of it; under `EVERY` the sums. For who may open the page of each of these students."""
    every = _counted(counts)
    return {group: {name: every[group, name] for name in COLUMNS} for group in {group for group, _ in every}}


def side_by_side(counts: Iterable[Counted]) -> dict[str, Told]:
    """Group -> what is told of it; under `EVERY` the sums.

    The columns of tiers add up to `students`, those of what was done to `flagged`. What was done is told of groups
    alone whose flagged students are told by tier: their sum would give a tier away that is left out.
    """
    every = _counted(counts)
    groups = {group for group, _ in every}
    of_tiers = _told(every, groups, OF_TIERS)
    of_served = _told(every, groups, OF_SERVED)
    by_tier = {group for group in groups if None not in (of_tiers[group]["tier_2"], of_tiers[group]["tier_3"])}
    # Their flagged students can be added up from the tiers: a table that leaves that sum out takes it for unknown.
    if any(of_served[group][FLAGGED] is None for group in by_tier):
        by_tier = set[str]()
    nothing: Told = dict.fromkeys((*SERVED, FLAGGED))
    return {group: {**of_tiers[group], **(of_served[group] if group in by_tier else nothing)} for group in groups}


def flagged_and_served(counts: Iterable[Counted]) -> dict[str, Told]:
    """Group -> the columns of `OF_GROUPS`, not split by tier: fewer cells, of which more can be told. Under `EVERY` the
    sums, as `side_by_side` tells them.

    Told as if every sum were known: some of those who see the groups may count the students themselves. The others see
    the sums alone: what these leave out no group tells, since all groups together would be that sum.
    """
    counts = list(counts)
    every = _counted(counts)
    groups = {group for group, _ in every} - {EVERY}
    sums = side_by_side((EVERY, tier, state, students) for _, tier, state, students in counts)[EVERY]
    told = OF_FLAGGED.told(_part(every, groups, OF_FLAGGED.columns), are_sums_known=True)
    told = _of_columns(told, sums)
    of_flagged = {group for group in groups if (group, FLAGGED) in told}
    served = _part(every, of_flagged, SERVED)
    if rest := groups - of_flagged:
        # The groups of which it is not told how many are flagged, as one: that sum is known.
        served |= {(_REST, column): sum(every[group, column] for group in rest) for column in SERVED}
    told |= _of_columns(told_table(served, total=None, sooner=OF_SERVED.sooner, are_sums_known=True), sums)
    of_groups = {
        group: {name: every[group, name] if (group, name) in told else None for name in OF_GROUPS} for group in groups
    }
    return {**of_groups, EVERY: {name: sums[name] for name in OF_GROUPS}}


def _of_columns(told: frozenset[Cell], sums: Told) -> frozenset[Cell]:
    """The cells of columns whose sums are told."""
    return frozenset(cell for cell in told if sums.get(cell[1]) is not None)


def _part(counts: Counter[Cell], groups: Iterable[str], columns: Sequence[str]) -> dict[Cell, int]:
    return {(group, column): counts[group, column] for group in groups for column in columns}


def _counted(counts: Iterable[Counted]) -> Counter[Cell]:
    """Students by tier and by whether they are flagged, and those flagged by what was done; of each group and of
    all."""
    every: Counter[Cell] = Counter()
    for name, tier, state, students in counts:
        is_flagged = (tier or 1) >= FLAGGED_FROM
        columns = (STUDENTS, TIERS[tier], *((FLAGGED, _done(state)) if is_flagged else (NOT_FLAGGED,)))
        for cell in ((group, column) for group in {name, EVERY} for column in columns):
            every[cell] += students
    return every


def _told(counts: Counter[Cell], groups: Iterable[str], table: Table) -> dict[str, Told]:
    columns = table.columns
    cells = _part(counts, (group for group in groups if group != EVERY), columns)
    told_sums = table.told(_part(counts, [EVERY], columns))
    # Of a column whose sum is left out no group is told: all groups together would be that sum.
    columns_told = {column for _, column in told_sums}
    told = told_sums | {cell for cell in table.told(cells) if cell[1] in columns_told}
    return {
        group: {column: counts[group, column] if (group, column) in told else None for column in columns}
        for group in groups
    }


def _done(state: CaseState | None) -> str:
    if state is None or state in UNSEEN:
        return "unseen"
    return "in_support" if state in IN_SUPPORT else "in_touch"
