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
from cis_ews.synthetic.plan import Format, Plan
from cis_ews.synthetic.roster import BlockKey, block_keys
from cis_ews.synthetic.writer import TableWriter, replaced_folder, write_marker


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSummary:
    """What was written: rows by table (planted ones included), and planted rows by table and the rule they break."""

    path: Path
    rows: Mapping[str, int]
    planted: Mapping[tuple[str, str], int]


def write_district(  # noqa: PLR0913  one keyword for each choice, all with a default
    out: str | Path,
    *,
    students: int = 2400,
    years: int = 3,
    seed: int = 7,
    districts: int = 1,
    last_school_year: int = 2026,
    format: Format = "csv",  # noqa: A002  the word of the command line
    dirt: bool = True,
    through: date | None = None,
    progress: Progress = SILENT,
) -> SyntheticSummary:
    """Write a made-up district in the plain folder format; the same arguments give the same bytes.

    `students`: enrolled at a time, in all districts together; the table has more, since every year some leave and
    others come. `through`: the day of the extract: what happens or becomes known later is left out, the calendar stays
    whole; by default everything up to the end of `last_school_year` (2026 is 2025-26). `dirt`: plant a few rows that
    break a rule. Several districts as Parquet are written in parts, `<table>/part-00001.parquet`.

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
    )
    with replaced_folder(Path(out)) as folder:
        rows, planted = _write(folder, plan, progress)
        write_marker(folder, {"plan": plan.to_dict(), "rows": rows, "planted": _nested(planted)})
    return SyntheticSummary(path=Path(out), rows=rows, planted=dict(planted))


def _write(folder: Path, plan: Plan, progress: Progress) -> tuple[dict[str, int], Counter[tuple[str, str]]]:
    world = make_world(plan)
    keys = list(block_keys(world))
    planted: Counter[tuple[str, str]] = Counter()
    with TableWriter(folder, plan) as writer, progress.step("students of the made-up district", total=len(keys)):
        writer.append({"schools": world.schools_table(), "reporting": world.reporting_table()})
        for key in keys:
            if key.number == 0:
                writer.append(_calendar(world, key))
            writer.append(_block(world, key, planted))
            progress.advance()
    return {table: writer.rows[table] for table in TABLES}, planted


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
