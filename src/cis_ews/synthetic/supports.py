"""Supports that coordinators delivered: a small table of the schools that have one."""

from __future__ import annotations

import numpy as np
import polars as pl

from cis_ews.synthetic.districts import World
from cis_ews.synthetic.mobility import Year
from cis_ews.synthetic.plan import Array, Stream
from cis_ews.synthetic.roster import Block

CATEGORIES = (
    "academics",
    "behavior",
    "social and life skills",
    "basic needs",
    "college and career",
    "enrichment and motivation",
    "family engagement",
    "health and physical wellness",
    "community service",
    "mental health",
)
PROVIDERS = ("Site coordinator", "Mentor", "Tutor", "Community partner", None)
SHARE_SUPPORTED = 0.05
CONTACTS_A_YEAR = 9


def supports_table(world: World, block: Block, year: Year, *, instructional: Array) -> pl.DataFrame:
    """The table `supports` of one year: one student in twenty where a coordinator works, more of those in need."""
    rng = world.plan.generator(Stream.SUPPORTS, block.key.district, block.key.number, year.index)
    coordinated = (year.school * 7919 + world.plan.seed) % 5 < 2
    need = np.exp(0.7 * block.absence + 0.4 * block.conduct - 0.4)
    chosen = coordinated & (rng.random(block.size) < SHARE_SUPPORTED * need)
    contacts = rng.poisson(CONTACTS_A_YEAR, block.size) * chosen
    student = np.repeat(np.arange(block.size), contacts)
    day = (20 + rng.random(student.size) * (instructional.shape[1] - 20)).astype(np.int64)
    there = instructional[student, day]
    student, day = student[there], day[there]
    size = student.size
    tier = np.where(need[student] > 2.0, 3, 2)
    favorite = (student * 3 + rng.integers(0, 3, size)) % len(CATEGORIES)
    table = pl.DataFrame(
        {
            "student_id": block.student_ids.gather(student),
            "date": year.calendar.days[day],
            "category": pl.Series(CATEGORIES).gather(favorite),
            "tier": np.where(rng.random(size) < 0.1, 1, tier).astype(np.int8),
            "minutes": (rng.integers(1, 5, size) * 15).astype(np.int32),
            "provider": pl.Series(PROVIDERS, dtype=pl.String).gather(rng.integers(0, len(PROVIDERS), size)),
        }
    )
    return table.unique(["student_id", "date", "category"], keep="first", maintain_order=True).sort(
        "student_id", "date", "category"
    )
