"""The roster of a school as a page wants it: filters as counts, what the address says, barriers in Tier 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from cis_ews.enums import Domain, GradeLevel
from cis_ews.evaluation.side_by_side import EVERY
from cis_ews.evaluation.suppression import FEWEST, told_cells
from cis_ews.storage.pages import RosterRow

NONE = "none"
"""The value of who has none: no grade, no reason, no days known."""
BANDS = ("0", "under_5", "5_to_9", "10_to_19", "20_and_more", NONE)
FILTERS = ("grade", "tier", "domain", "band")


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a filter: how many would be left with it, how long its bar is, and the address that turns it."""

    value: str
    count: int
    length: int
    is_on: bool
    address: str


Chosen = Mapping[str, frozenset[str]]


def chosen_of(query: str) -> Chosen:
    """What the query of an address asks for; what is no filter is left out."""
    pairs = parse_qsl(query)[:100]
    return {name: frozenset(value[:20] for key, value in pairs if key == name) for name in FILTERS}


def query_of(chosen: Chosen) -> str:
    """The query that asks for it, the same for the same choice."""
    return urlencode([(name, value) for name in FILTERS for value in sorted(chosen.get(name, ()))])


def among(rows: Iterable[RosterRow], chosen: Chosen, *, but: str | None = None) -> list[RosterRow]:
    """The rows that have one of the values (or) in every filter that has any (and)."""
    asked = [(_VALUES[name], values) for name, values in chosen.items() if values and name != but]
    return [row for row in rows if all(values & of(row) for of, values in asked)]


def histograms(rows: Sequence[RosterRow], chosen: Chosen) -> dict[str, list[Bar]]:
    """Each filter with its values, counted among those whom the other filters leave."""
    return {name: _bars(name, among(rows, chosen, but=name), chosen) for name in FILTERS}


def _bars(name: str, rows: Sequence[RosterRow], chosen: Chosen) -> list[Bar]:
    counts = Counter(value for row in rows for value in _VALUES[name](row))
    most = max(counts.values(), default=1)
    values = [value for value in _ORDER[name] if counts[value] or value in chosen[name]]
    return [
        Bar(
            value, counts[value], round(100 * counts[value] / most), value in chosen[name], _turned(chosen, name, value)
        )
        for value in values
    ]


def _turned(chosen: Chosen, name: str, value: str) -> str:
    return "?" + query_of({**chosen, name: chosen[name] ^ {value}})


def _grade(row: RosterRow) -> frozenset[str]:
    return frozenset({row.grade_level or NONE})


def _tier(row: RosterRow) -> frozenset[str]:
    return frozenset({str(row.tier) if row.tier else NONE})


def _domain(row: RosterRow) -> frozenset[str]:
    return row.domains or frozenset({NONE})


def _band(row: RosterRow) -> frozenset[str]:
    days = row.days_absent
    bounds = ((0, "0"), (5, "under_5"), (10, "5_to_9"), (20, "10_to_19"))
    if days is None:
        return frozenset({NONE})
    return frozenset({next((band for bound, band in bounds if days < bound or days == 0), "20_and_more")})


_VALUES: Mapping[str, Callable[[RosterRow], frozenset[str]]] = {
    "grade": _grade,
    "tier": _tier,
    "domain": _domain,
    "band": _band,
}
_ORDER: Mapping[str, Sequence[str]] = {
    "grade": (*(str(grade) for grade in GradeLevel), NONE),
    "tier": ("3", "2", "1", NONE),
    "domain": (*(str(domain) for domain in Domain), NONE),
    "band": BANDS,
}


def barriers(rows: Iterable[RosterRow]) -> list[tuple[str, list[int | None]]]:
    """How many students in Tier 1 have a reason in each domain, in the order of `Domain`: of the whole building, under
    `EVERY`, then by grade.

    None where they are fewer than 10, and where such a number could be worked out from the others of its kind of
    reason and that of the building; a grade without any number is left out, and so is a building without one.
    """
    first = [row for row in rows if row.tier == 1]
    counts = Counter((row.grade_level or NONE, domain) for row in first for domain in row.domains)
    there = {row.grade_level or NONE for row in first}
    grades = [grade for grade in _ORDER["grade"] if grade in there]
    columns = [_told({grade: counts[grade, str(domain)] for grade in grades}) for domain in Domain]
    cells = [(row, [column.get(row) for column in columns]) for row in (EVERY, *grades)]
    return [(row, of_row) for row, of_row in cells if any(of_row)]


def _told(sizes: Mapping[str, int]) -> dict[str, int]:
    """Of one kind of reason, what may be told of each grade, and under `EVERY` of all grades together.

    The grades are chosen as if the sum were known (`told_cells`), so the sum gives none of them away.
    """
    found = told_cells({(grade,): size for grade, size in sizes.items()})
    told = {grade: sizes[grade] for (grade,) in found if sizes[grade] >= FEWEST}
    every = sum(sizes.values())
    return {EVERY: every, **told} if every >= FEWEST else told
