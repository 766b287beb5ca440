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

STUDENTS, FLAGGED = "students", "flagged"
TIERS: Mapping[int | None, str] = {3: "tier_3", 2: "tier_2", 1: "tier_1", None: "not_enough_data"}
SERVED = ("in_support", "in_touch", "unseen")
COLUMNS = (STUDENTS, *TIERS.values(), FLAGGED, *SERVED)
"""Everything that is counted of a group."""


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
OF_SERVED = Table((*SERVED, FLAGGED), sooner="unseen")
EVERY = ""
"""The group of all students: the sums."""
Counted = tuple[str, int | None, CaseState | None, int]
"""A group, a tier, what was done about it, and how many students there are of these."""
Told = Mapping[str, int | None]
"""Column -> number, None where it is not told."""


def in_full(counts: Iterable[Counted]) -> dict[str, Told]:
    """Group -> every number of it; under `EVERY` the sums. For who may open the page of each of these students."""
    tiers, served = _tables(counts)
    every = tiers + served
    return {group: {name: every[group, name] for name in COLUMNS} for group in {group for group, _ in tiers}}


def side_by_side(counts: Iterable[Counted], *, are_sums_known: bool = False) -> dict[str, Told]:
    """Group -> what is told of it; under `EVERY` the sums.

    The columns of tiers add up to `students`, those of what was done to `flagged`. What was done is told of groups
    alone whose flagged students are told by tier: their sum would give a tier away that is left out.
    `are_sums_known`: the sums that are left out are known to some who see the groups.
    """
    tiers, served = _tables(counts)
    groups = {group for group, _ in tiers}
    of_tiers = _told(tiers, groups, OF_TIERS, are_sums_known=are_sums_known)
    of_served = _told(served, groups, OF_SERVED, are_sums_known=are_sums_known)
    by_tier = {group for group in groups if None not in (of_tiers[group]["tier_2"], of_tiers[group]["tier_3"])}
    # Their flagged students can be added up from the tiers: a table that leaves that sum out takes it for unknown.
    if any(of_served[group][FLAGGED] is None for group in by_tier):
        by_tier = set[str]()
    nothing: Told = dict.fromkeys((*SERVED, FLAGGED))
    return {group: {**of_tiers[group], **(of_served[group] if group in by_tier else nothing)} for group in groups}


def _tables(counts: Iterable[Counted]) -> tuple[Counter[Cell], Counter[Cell]]:
    """Students by tier, and those flagged by what was done; of each group and of all."""
    tiers: Counter[Cell] = Counter()
    served: Counter[Cell] = Counter()
    for name, tier, state, students in counts:
        for group in {name, EVERY}:
            tiers[group, TIERS[tier]] += students
            tiers[group, STUDENTS] += students
            if (tier or 1) >= FLAGGED_FROM:
                served[group, _done(state)] += students
                served[group, FLAGGED] += students
    return tiers, served


def _told(counts: Counter[Cell], groups: Iterable[str], table: Table, *, are_sums_known: bool) -> dict[str, Told]:
    columns = table.columns
    sums = {(EVERY, column): counts[EVERY, column] for column in columns}
    cells = {(group, column): counts[group, column] for group in groups if group != EVERY for column in columns}
    told_sums = table.told(sums)
    # Of a column whose sum is left out no group is told: all groups together would be that sum.
    columns_told = {column for _, column in told_sums}
    told = told_sums | {cell for cell in table.told(cells, are_sums_known=are_sums_known) if cell[1] in columns_told}
    every = cells | sums
    return {
        group: {column: every[group, column] if (group, column) in told else None for column in columns}
        for group in groups
    }


def _done(state: CaseState | None) -> str:
    if state is None or state in UNSEEN:
        return "unseen"
    return "in_support" if state in IN_SUPPORT else "in_touch"
