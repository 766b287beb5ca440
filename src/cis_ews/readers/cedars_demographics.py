"""Ethnicity (L) and race (M) of CEDARS, a row a student and code, for the audit of fairness alone.

What a code means is not known here: a configuration says it. Without it the ethnicity is not used, and a race is its
code.
"""

from __future__ import annotations

import polars as pl

from cis_ews.readers.cedars_config import CedarsConfig
from cis_ews.readers.ledger import Ledger

TABLE = "demographics"
SEVERAL = "Two or more races"
_PLACE = ("file", "row_number")


def demographics_of(
    ethnicities: pl.DataFrame, races: pl.DataFrame, *, config: CedarsConfig, ledger: Ledger
) -> pl.DataFrame:
    """One row a student: the ethnicity first, then several races, then the only one, as federal categories have it."""
    ethnicity = pl.col("ethnicity").str.to_uppercase().replace_strict(dict(config.ethnicities), default=None)
    race = pl.col("race").str.to_uppercase()
    said = pl.concat(
        [
            ethnicities.select("student_id", *_PLACE, ethnicity=ethnicity.cast(pl.String)),
            races.select("student_id", *_PLACE, race=race.replace(dict(config.races))),
        ],
        how="diagonal",
    ).filter(pl.col("student_id").fill_null("") != "")
    unused = ethnicities["ethnicity"].count() - said["ethnicity"].count() if "ethnicity" in said.columns else 0
    ledger.note(f"{TABLE}: {unused:,} ethnicity codes without a meaning in the configuration are not used", unused)
    names = pl.col("race").drop_nulls().unique()
    students = said.group_by("student_id", maintain_order=True).agg(
        pl.col("ethnicity").drop_nulls().first(),
        names.len().alias("races"),
        names.min().alias("race"),
        pl.col(*_PLACE).first(),
    )
    unnamed = ethnicities.height + races.height - said.height
    ledger.reduce(TABLE, unnamed, ("row without a student's id", "rows without a student's id"))
    ledger.reduce(
        TABLE, said.height - students.height, ("further row of the same student", "further rows of the same student")
    )
    several = pl.when(pl.col("races") > 1).then(pl.lit(SEVERAL)).otherwise("race")
    return students.select("student_id", pl.coalesce("ethnicity", several).alias("race_ethnicity"), *_PLACE)
