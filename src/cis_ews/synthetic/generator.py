"""A made-up district, or a state of them, written block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from cis_ews.progress import SILENT, Progress
from cis_ews.schema.school_data import TABLES
from cis_ews.synthetic.dirt import plant_dirt
from cis_ews.synthetic.districts import World, make_world
from cis_ews.synthetic.extract import Tables, block_tables
from cis_ews.synthetic.parts import PartsWriter
from cis_ews.synthetic.plan import Attendance, Format, Plan
from cis_ews.synthetic.roster import BlockKey, block_keys
from cis_ews.synthetic.writer import TableWriter, replaced_folder, write_marker

STUDENTS = 2400
STATE_STUDENTS, STATE_DISTRICTS, STATE_DAY = 1_100_000, 295, date(2026, 6, 12)
SUMMER_ENDS = 8  # the last month of a school year


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSummary:
    """What was written: rows by table (planted ones included), and planted rows by table and the rule they break.

    `plan`: the arguments, with what followed from them.
    """

    path: Path
    plan: Plan
    rows: Mapping[str, int]
    planted: Mapping[tuple[str, str], int]


def write_district(  # noqa: PLR0913  one keyword for each choice, all with a default
    out: str | Path,
    *,
    students: int = STUDENTS,
    years: int = 3,
    seed: int = 7,
    districts: int = 1,
    last_school_year: int = 2026,
    format: Format = "csv",  # noqa: A002  the word of the command line
    dirt: bool = True,
    through: date | None = None,
    attendance: Attendance = "exceptions",
    summaries: bool = False,
    progress: Progress = SILENT,
) -> SyntheticSummary:
    """Write a made-up district in the plain folder format; the same arguments give the same bytes.

    `students`: enrolled at a time, in all districts together; the table has more, since every year some leave and
    others come. `through`: the day of the extract: what happens or becomes known later is left out, the calendar stays
    whole; by default everything up to the end of `last_school_year` (2026 is 2025-26). `attendance`: exceptions alone,
    or `positive`: a row for every day on which a student was expected. `summaries`: of the years before the last,
    rosters and yearly summaries (`student_years`) without daily rows, incidents and grades. `dirt`: plant a few rows
    that break a rule. Several districts as Parquet are written in parts, `<table>/part-00001.parquet`.

    Memory does not grow with `students`. An earlier output in `out` is replaced. Raises ConfigError for arguments out
    of range and for an `out` that holds something else, StorageError where the disk does not take it.
    """
    plan = Plan(
        students=students,
        years=years,
        seed=seed,
        districts=districts,
        last_school_year=last_school_year,
        format=format,
        dirt=dirt,
        through=through,
        attendance=attendance,
        summaries=summaries,
    )
    return _written(Path(out), plan, progress)


def write_state(
    out: str | Path,
    *,
    students: int = STATE_STUDENTS,
    attendance: Attendance = "exceptions",
    seed: int = 7,
    through: date = STATE_DAY,
    progress: Progress = SILENT,
) -> SyntheticSummary:
    """Write a made-up state as Parquet in parts: one school year, and two earlier ones as summaries.

    `students`: enrolled at a time; districts and schools are in proportion to the 1.1 million students, 2,500 schools
    and 295 districts of Washington. `attendance`: exceptions alone, or `positive`; both tell of the same year.
    `through`: the day of the extract, in its last school year. Schools record more minor incidents than those of
    `write_district`, and no row is planted that breaks a rule.

    Every part holds the whole rows of some 30,000 students, sorted by student; the student ids of two parts do not
    overlap. Memory does not grow with `students`. An earlier output in `out` is replaced. Raises as `write_district`.
    """
    plan = Plan(
        students=students,
        seed=seed,
        districts=max(1, round(students * STATE_DISTRICTS / STATE_STUDENTS)),
        last_school_year=through.year + (through.month > SUMMER_ENDS),
        format="parquet",
        dirt=False,
        through=through,
        attendance=attendance,
        summaries=True,
        state=True,
    )
    return _written(Path(out), plan, progress)


def _written(out: Path, plan: Plan, progress: Progress) -> SyntheticSummary:
    with replaced_folder(out) as folder:
        rows, planted = _write(folder, plan, progress)
        write_marker(folder, {"plan": plan.to_dict(), "rows": rows, "planted": _nested(planted)})
    return SyntheticSummary(path=out, plan=plan, rows=rows, planted=dict(planted))


def _write(folder: Path, plan: Plan, progress: Progress) -> tuple[dict[str, int], Counter[tuple[str, str]]]:
    world = make_world(plan)
    keys = list(block_keys(world))
    planted: Counter[tuple[str, str]] = Counter()
    table_writer = PartsWriter(folder) if plan.state else TableWriter(folder, plan)
    with table_writer as writer, progress.step("students of the made-up district", total=len(keys)):
        writer.append({"schools": world.schools_table(), "reporting": world.reporting_table()})
        for key in keys:
            if key.number == 0:
                writer.append(_calendar(world, key))
            writer.append(_block(world, key, planted))
            progress.advance()
    return {table: writer.rows[table] for table in TABLES if table in writer.rows}, planted


def _calendar(world: World, key: BlockKey) -> Tables:
    return {"calendar_days": world.calendar_table(np.nonzero(world.district == key.district)[0])}


def _block(world: World, key: BlockKey, planted: Counter[tuple[str, str]]) -> Tables:
    tables = block_tables(world, key)
    if not world.plan.dirt:
        return tables
    tables, added = plant_dirt(world.plan, key, tables)
    planted.update(added)
    return tables


def _nested(planted: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (table, rule), count in sorted(planted.items()):
        nested.setdefault(table, {})[rule] = count
    return nested
