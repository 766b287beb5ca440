"""What a night by rules costs, stage by stage, beside the plainest tool for the same stage in the same run.

    python -m benchmarks.night --students 20000

Absolute times belong to the machine; the ratio to the baseline travels. Baselines: reading is compared with polars
`read_csv` of the same files as text, indicators with one polars group-by that only adds up absence, the run with a bare
`write_parquet` of its scores, publishing with `sqlite3.executemany` of the score rows into a new table.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

from cis_ews import RulesModel, TierPolicy, score_night
from cis_ews.readers import read_school_data
from cis_ews.synthetic import write_district

AS_OF = date(2026, 2, 27)
STAGES = {
    "read": ("read",),
    "indicators": ("indicators",),
    "cohort, rules, reasons, tiers": ("cohort", "rules", "risk", "tiers", "reasons"),
    "run written": ("write",),
    "flags published": ("publish",),
}


def main() -> None:
    """Write a district, score it once, time the baselines, print one table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_district(place / "extract", students=arguments.students, years=3, seed=7, through=AS_OF)
        began = time.perf_counter()
        night = score_night(
            place / "extract",
            model=RulesModel(),
            policy=TierPolicy.load(),
            store=place / "store",
            as_of=AS_OF,
        )
        whole = time.perf_counter() - began
        stages = {
            name: sum(night.timings[step]["wall_seconds"] for step in steps if step in night.timings)
            for name, steps in STAGES.items()
        }
        events = read_school_data(place / "extract").attendance_events
        baselines = {
            "read": _timed(lambda: _read_text(place / "extract")),
            "indicators": _timed(lambda: _absence_alone(events)),
            "run written": _timed(lambda: night.scores.write_parquet(place / "scores.parquet")),
            "flags published": _timed(lambda: _executemany(night.scores, place / "plain.db")),
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if arguments.json:
            record = {"students": arguments.students, "whole": whole, "peak_mb": peak}
            print(json.dumps({**record, "stages": stages, "baselines": baselines}, sort_keys=True))
            return
        _print_table(stages, baselines, scored=night.scores.height)
        rate = night.scores.height / whole
        print(f"whole night {whole:.2f} s, peak memory {peak:.0f} MB, {rate:,.0f} students a second")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="one JSON object for a record")
    return parser.parse_args()


def _timed(work: Callable[[], object]) -> float:
    """Best of three, in seconds."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def _read_text(extract: Path) -> list[pl.DataFrame]:
    return [pl.read_csv(path, infer_schema=False) for path in sorted(extract.glob("*.csv"))]


def _absence_alone(events: pl.DataFrame) -> pl.DataFrame:
    absent = events.filter(pl.col("status").cast(pl.String).is_in(["excused", "unexcused"]))
    return absent.group_by("student_id").agg(pl.col("fraction_absent").sum())


def _executemany(scores: pl.DataFrame, path: Path) -> None:
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("create table scores (student_id primary key, school_id, tier, tier_reason, days_enrolled)")
        rows = scores.select("student_id", "school_id", "tier", "tier_reason", "days_enrolled").rows()
        connection.executemany("insert into scores values (?, ?, ?, ?, ?)", rows)
    connection.close()


def _print_table(stages: dict[str, float], baselines: dict[str, float], *, scored: int) -> None:
    print(f"{scored:,} students scored by rules, {sys.platform}, polars {pl.__version__}, best baseline of three\n")
    print(f"{'stage':<32}{'seconds':>10}{'baseline':>12}{'ratio':>10}")
    for name, seconds in stages.items():
        baseline = baselines.get(name)
        beside = f"{baseline:>12.3f}{seconds / baseline:>10.1f}" if baseline else f"{'-':>12}{'-':>10}"
        print(f"{name:<32}{seconds:>10.3f}{beside}")
    print()


if __name__ == "__main__":
    main()
