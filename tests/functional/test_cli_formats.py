"""Every format ends with a scored night and its flags, by the command line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.lib.command import command
from tests.lib.extracts import AS_OF, small_district, write_extract
from tests.lib.layouts import LAYOUTS

TABLES = small_district()
DOMAINS = {
    "oneroster": ["course_failures_ytd"],
    "cedars": ["full_days_absent_ytd"],
    "edfi": ["full_days_absent_ytd", "course_failures_ytd"],
    "combine": ["full_days_absent_ytd", "course_failures_ytd"],
}
"""Format -> measures of the domains that it speaks of in full."""


def night(source: Path, out: Path, *options: str) -> tuple[pl.DataFrame, str]:
    """The indicators of a night, and what `flags` shows of it."""
    done = command("score", source, "--as-of", AS_OF, "--out", out, "--model", "rules", *options)
    assert done.code == 0, done.err
    flags = command("flags", "--run", out)
    assert flags.code == 0
    (run,) = (out / "runs" / AS_OF).iterdir()
    return pl.read_parquet(run / "indicators.parquet"), flags.out


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_district_is_scored_and_flagged_as_from_the_plain_folder(tmp_path: Path, layout: str) -> None:
    plain, _ = night(write_extract(tmp_path / "plain", TABLES), tmp_path / "of_plain")
    source = LAYOUTS[layout](tmp_path / "source", TABLES)
    ours, flags = night(source, tmp_path / "of_layout", "--format", layout)
    same = ["student_id", "school_id", *DOMAINS[layout]]
    assert ours.height == plain.height > 0
    assert not any(ours[name].is_null().all() for name in same)
    assert ours.select(same).equals(plain.select(same))
    assert "Tier" in flags
