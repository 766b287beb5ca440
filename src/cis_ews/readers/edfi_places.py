"""Where in an element of a record of Ed-Fi its columns stand, and the walk from the record to their texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cis_ews.readers.edfi_records import RECORDS, REFERRED, SAYS_REF

REFERENCE = "Reference"  # how the names of elements end that refer to a record
UNRANKED = 99
"""A rank behind that of every place."""


@dataclass(slots=True)
class Node:
    """What is looked for below an element: the column of its own text with the rank of this place, and its children.

    `refers`: whether it may name another record of the package, by an attribute, in the place of a text.
    """

    column: int = 0
    rank: int = UNRANKED
    refers: bool = False
    children: dict[str, Node] = field(default_factory=dict[str, "Node"])


@dataclass(frozen=True, slots=True)
class Plan:
    """How a record is read: its name, its columns, and the tree of places."""

    record: str
    columns: tuple[str, ...]
    places: Node

    def values(self, element: Any) -> list[str | None]:
        """The texts of an element by column, without the blanks around them; None where there is none."""
        values: list[str | None] = [None] * len(self.columns)
        _walk(element, self.places.children, values=values, ranks=[UNRANKED] * len(values))
        values[-1] = element.get("id")
        return values


def plan_of(tag: str) -> Plan | None:
    """The plan of a record, with the namespace of its file in the names; None where it is none that is used."""
    namespace, bracket, record = tag.rpartition("}")
    if record not in RECORDS:
        return None
    root = Node()
    columns = RECORDS[record]
    for number, places in enumerate(columns.values()):
        for rank, place in enumerate(places):
            node = root
            for name in place.split("/"):
                node = node.children.setdefault(f"{namespace}{bracket}{name}", Node())
            node.column, node.rank, node.refers = number, rank, place.endswith(REFERENCE)
    return Plan(record, (*columns, REFERRED), root)


def _walk(element: Any, below: Mapping[str, Node], *, values: list[str | None], ranks: list[int]) -> None:
    """Put the texts of the places below an element into their columns; the place of the lowest rank counts."""
    for child in element:
        node = below.get(child.tag)
        if node is None:
            continue
        column = node.column
        if node.rank < ranks[column]:
            ref, text = child.get("ref") if node.refers else None, child.text
            said = f"{SAYS_REF}{ref}" if ref else text.strip() if text else None
            if said:
                values[column], ranks[column] = said, node.rank
        if node.children:
            _walk(child, node.children, values=values, ranks=ranks)
