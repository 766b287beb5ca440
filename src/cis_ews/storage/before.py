"""Why those whose flag is gone tonight had one: the reasons of the night before, for the day on which pages say so."""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.enums import Change, Direction
from cis_ews.errors import StorageError
from cis_ews.storage.runs import Run, open_run, run_folder

KEPT = 2
"""Reasons of a student: as many as a line tells."""
_SCHEMA = {"student_id": pl.String(), "sentence": pl.String()}


def reasons_before(run: Run) -> pl.DataFrame:
    """`student_id`, `sentence`: the first reasons, by rank, that students had whom a run has on the list no more.

    No row where the run has no night before, or that night is kept no more: then a page says nothing of it.
    """
    before = run.manifest.get("compared_with", {})
    if "run_id" not in before or not run.has("changes"):
        return pl.DataFrame(schema=_SCHEMA)
    root = run.path.parents[2]
    try:
        changes = run.table("changes", columns=["student_id", "change", "tier_before", "tier_now"])
        gone = changes.filter(
            pl.col("change") == Change.TIER_MOVED, pl.col("tier_before") > 1, pl.col("tier_now").fill_null(1) == 1
        )
        night = open_run(run_folder(root, date.fromisoformat(before["as_of"]), before["run_id"]))
        told = night.rows_among("reasons", gone.select("student_id"))
    except StorageError:
        return pl.DataFrame(schema=_SCHEMA)
    risks = told.filter(pl.col("direction") == Direction.RISK).sort("student_id", "rank")
    return risks.group_by("student_id", maintain_order=True).head(KEPT).select(list(_SCHEMA))
