"""Names and reasons of a run's students as blocks of the table `students`: one a school and slice of the students."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from cis_ews.enums import Direction, Domain
from cis_ews.errors import StorageError
from cis_ews.schema.coded import CodedTable
from cis_ews.schema.rows import sorted_by
from cis_ews.storage.before import reasons_before
from cis_ews.storage.coded_blocks import student_places
from cis_ews.storage.packing import packed_lists
from cis_ews.storage.runs import Run
from cis_ews.texts import places_of

if TYPE_CHECKING:
    from cis_ews.storage.database.records import RecordSource

REASON = pl.Struct(
    {
        "direction": pl.Enum(Direction),
        "rank": pl.Int16(),
        "domain": pl.Enum(Domain),
        "indicator": pl.String(),
        "value": pl.Float64(),
        "sentence": pl.String(),
    }
)
SCHEMA = {
    "student_id": pl.String(),
    "first_name": pl.String(),
    "last_name": pl.String(),
    "reasons": pl.List(REASON),
    "before": pl.List(pl.Struct({"sentence": pl.String()})),
    "days_absent": pl.Float64(),
    "records": pl.Int32(),
}
"""`days_absent`: this school year, null of whom no attendance is recorded. `before`: first reasons of the night before,
of whom tonight's list has no more. `records`: the part of the district's `student_records` that the student is in, null
where the night kept none."""
SLICE_STUDENTS = 200_000
"""Students whose reasons are in memory at once."""
Block = tuple[str, str, int, bytes]
"""A row of `students`: district, school, part, block."""
NOTHING_BEHIND = pl.DataFrame(schema={name: SCHEMA[name] for name in ("student_id", "days_absent", "records")})


class PeopleSource(Protocol):
    """Where a publish finds the names and reasons of students, packed already or packed when it asks."""

    def blocks(self, districts: Collection[str]) -> Iterable[Block]:
        """The blocks of districts. It may be asked in another thread, while the publish does what it does without."""
        ...


@dataclass(frozen=True, slots=True)
class NamesAndReasons:
    """The blocks of a run, slice by slice in this process. `names`: `student_id`, `first_name`, `last_name`."""

    run: Run
    names: pl.LazyFrame
    places: pl.DataFrame
    records: RecordSource | None = None

    def blocks(self, districts: Collection[str]) -> list[Block]:
        """As `PeopleSource.blocks`. Raises StorageError if the run has other reasons than its manifest says."""
        run, told, found = self.run, 0, list[Block]()
        scored = run.table("scores", columns=["student_id", "school_id"])
        before = reasons_before(run)
        behind = NOTHING_BEHIND if self.records is None else self.records.behind()
        for part, some in enumerate(scored.iter_slices(SLICE_STUDENTS)):
            reasons = run.rows_between("reasons", some["student_id"][0], some["student_id"][-1])
            told += told_of(CodedTable(reasons, {}), some["student_id"])
            placed = some.join(self.places, on="school_id", maintain_order="left")
            published = placed.filter(pl.col("district_id").is_in(list(districts)))
            names = self.names.join(published.lazy().select("student_id"), on="student_id", how="semi")
            # Of an extract everyone is there once; who is looked up by place has to be.
            once = names.unique("student_id", keep="first", maintain_order=True).collect()
            lists = {"reasons": reasons, "before": before}
            found += packed_people(published, once, lists=lists, behind=behind, part=part)
        check_told(run, told)
        return found


def packed_people(
    people: pl.DataFrame,
    names: pl.DataFrame,
    *,
    lists: Mapping[str, pl.DataFrame | CodedTable],
    behind: pl.DataFrame,
    part: int,
) -> list[Block]:
    """A block for each school of some students.

    `people`: `student_id`, `school_id`, `district_id`, by id. `names`: `student_id`, once each, and names. `lists`:
    `reasons` and `before`. All three may be of others, too.
    """
    ordered = sorted_by(people, ("district_id", "school_id"))
    students = ordered.select("student_id")
    beside = [
        _looked_up(students, names.select("student_id", "first_name", "last_name")),
        _looked_up(students, behind.select("student_id", "days_absent", "records")),
    ]
    schools = ordered.group_by("district_id", "school_id", maintain_order=True).len()
    fields = {"reasons": [field.name for field in REASON.fields]}
    blocks = packed_lists(
        pl.concat([students, *beside], how="horizontal"), schools["len"].to_list(), lists, fields=fields
    )
    return [
        (district, school, part, block)
        for (district, school, _), block in zip(schools.iter_rows(), blocks, strict=True)
    ]


def told_of(reasons: CodedTable, students: pl.Series) -> int:
    """How many reasons are of these students, of whom each is there once."""
    return int(np.count_nonzero(student_places(reasons, students) >= 0))


def check_told(run: Run, told: int) -> None:
    """Raise StorageError where the reasons of scored students are not as many as the run's manifest says."""
    if told != run.manifest["rows"]["reasons"]:
        raise StorageError(
            f"the reasons of run {run.run_id} were refused: {told} are of scored students, "
            f"and its manifest says {run.manifest['rows']['reasons']}",
            hint="restore the run from a backup, or move it away and score the night again",
        )


def _looked_up(students: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The columns of those known beside students; null of whom nothing is."""
    places = pl.Series(places_of(students["student_id"], known["student_id"]))
    return known.drop("student_id").select(pl.all().gather(places.set(places < 0, None)))
