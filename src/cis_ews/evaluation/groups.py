"""Who is flagged and who is served, by the groups that are audited: what a night tells of each district.

Worked out where the night has who is in which group, and handed on as sums that may be told. No student's group goes
any further, and none of it goes into the run (docs/adr/0031-groups-are-told-as-sums.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from cis_ews.enums import CaseState
from cis_ews.evaluation.equity import ATTRIBUTES, NOT_RECORDED, groups_in
from cis_ews.evaluation.side_by_side import EVERY, OF_GROUPS, Counted, flagged_and_served

OTHERS = "*"
"""Those beyond the largest groups of an attribute, together."""
MOST_GROUPS = 40
"""Of one attribute in one district: what has more is no group that an audit compares, but free text. Small groups are
not put together for being small: whoever knew that could tell nines from a sum of eighteen."""
LONGEST = 200
"""Characters of a group's name that are kept."""
_DISTRICT, _GROUP = "district_id", "group_name"
_BY = (_DISTRICT, _GROUP, "tier", "state")
SCHEMA = {_DISTRICT: pl.String, "attribute": pl.String, _GROUP: pl.String, **dict.fromkeys(OF_GROUPS, pl.Int64)}
"""The columns of what is told: numbers are null where they are not."""


def told_groups(table_of: Callable[[str], pl.DataFrame], placed: pl.DataFrame) -> pl.DataFrame:
    """What may be told of each group of each district, sorted; groups of which nothing may be told have no row.

    `table_of`: name -> table of the night's school data. `placed`: one row a student of the night: `student_id`,
    `district_id`, `tier` (null where there was not enough data) and `state` of the case (null where there is none). The
    sums of a district stand under the attribute "" and the group "". What a district records of nobody has no row
    there. Groups are told as if every sum of the district were known: its managers count them on the pages of its
    students.
    """
    groups = groups_in(table_of, placed["student_id"])
    rows = list(_rows("", _counts(placed.with_columns(pl.lit(EVERY).alias(_GROUP)))))
    for attribute in ATTRIBUTES:
        rows += _rows(attribute, _pooled(_recorded(_counts(placed.with_columns(_named(groups.names[attribute]))))))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort(_DISTRICT, "attribute", _GROUP)


def _named(names: pl.Series) -> pl.Series:
    """As a database takes them: a source may hold anything."""
    clean = names.str.replace_all("\0", "", literal=True).str.strip_chars().str.slice(0, LONGEST)
    return clean.replace("", NOT_RECORDED).alias(_GROUP)


def _counts(students: pl.DataFrame) -> pl.DataFrame:
    return students.group_by(_BY).len("students")


def _recorded(counts: pl.DataFrame) -> pl.DataFrame:
    """The counts of the districts that record the attribute of anybody."""
    return counts.filter((pl.col(_GROUP) != NOT_RECORDED).any().over(_DISTRICT))


def _pooled(counts: pl.DataFrame) -> pl.DataFrame:
    """The counts with all groups of a district beyond the largest as one."""
    sizes = counts.group_by(_DISTRICT, _GROUP).agg(pl.col("students").sum())
    ordered = sizes.sort(_DISTRICT, "students", _GROUP, descending=[False, True, False])
    beyond = ordered.filter(pl.int_range(pl.len()).over(_DISTRICT) >= MOST_GROUPS).drop("students")
    kept, rest = (counts.join(beyond, on=[_DISTRICT, _GROUP], how=how) for how in ("anti", "semi"))
    together = rest.with_columns(pl.lit(OTHERS).alias(_GROUP)).group_by(_BY).agg(pl.col("students").sum())
    return pl.concat([kept, together])


def _rows(attribute: str, counts: pl.DataFrame) -> Iterator[tuple[str | int | None, ...]]:
    for district, some in groupby(counts.select(*_BY, "students").sort(_BY).iter_rows(), itemgetter(0)):
        for group, told in flagged_and_served(_counted(some)).items():
            if (group == EVERY) == (attribute == "") and any(number is not None for number in told.values()):
                yield (district, attribute, group, *(told[column] for column in OF_GROUPS))


def _counted(rows: Iterable[tuple[Any, ...]]) -> Iterator[Counted]:
    for _, group, tier, state, students in rows:
        yield group, tier, None if state is None else CaseState(state), students
