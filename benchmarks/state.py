"""What a night over a whole state costs, step by step, on made-up students: `make bench-state`.

    python -m benchmarks.state --students 1100000 --attendance exceptions

The state is written once into `--data` and found there later. The night runs in a process of its own with its workers;
CPU seconds are those of all of them, memory is what they hold for themselves, added up, at its highest. Beside it, in
the same run: reading the needed columns of the same files and nothing else (the floor). Absolute times belong to the
machine; the ratio to the floor travels. Figures and the machine they were measured on: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from cis_ews import RiskModel, RulesModel, TierPolicy, build_features, compute_indicators, make_labels, score_night
from cis_ews.engines.local import LocalEngine
from cis_ews.readers import read_school_data
from cis_ews.synthetic import write_district, write_state
from training.experiment import usable_features

AS_OF = date(2026, 6, 10)
THROUGH = date(2026, 6, 12)
COLUMNS = {
    "attendance_events": ["student_id", "school_id", "date", "status", "fraction_absent"],
    "incidents": ["student_id", "date", "severity"],
    "course_grades": ["student_id", "subject", "mark", "grade_points", "term"],
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the night: seconds on the clock, CPU seconds of all processes, the highest memory so far in MB."""

    name: str
    wall: float
    cpu: float
    peak_mb: float


class Watch:
    """Progress that notes what each outermost step costs, all processes together."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.peak = 0.0
        self._depth = 0
        self._me = psutil.Process()
        threading.Thread(target=self._look, daemon=True).start()

    @contextmanager
    def step(self, name: str, *, total: int | None = None) -> Generator[None]:  # noqa: ARG002 - the protocol
        """Note the cost of a step."""
        wall, cpu = time.perf_counter(), self._cpu()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if not self._depth:
            spent = Step(name=name, wall=time.perf_counter() - wall, cpu=self._cpu() - cpu, peak_mb=self.peak)
            self.steps.append(spent)

    def advance(self, amount: int = 1) -> None:
        """Nothing to show."""

    def _cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._all())

    def _all(self) -> list[psutil.Process]:
        return [self._me, *self._me.children(recursive=True)]

    def _look(self) -> None:
        while True:
            held = 0
            for process in self._all():
                try:
                    held += process.memory_full_info().uss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, held / 1e6)
            time.sleep(0.5)


def main() -> None:
    """Write the state if it is not there, measure the floor and the night, print a table."""
    arguments = _arguments()
    source = Path(arguments.data) / f"{arguments.attendance}-{arguments.students}"
    if not source.exists():
        write_state(source, students=arguments.students, attendance=arguments.attendance, through=THROUGH)
    floor = _apart(_floor, source)
    record = _apart(_night, source, arguments.workers, arguments.students_a_part, rules_only=arguments.rules)
    record = {"students": arguments.students, "attendance": arguments.attendance, "floor": floor, **record}
    print(json.dumps(record, sort_keys=True) if arguments.json else _table(record))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=1_100_000)
    parser.add_argument("--attendance", choices=["exceptions", "positive"], default="exceptions")
    parser.add_argument(
        "--data", default=str(Path(tempfile.gettempdir()) / "cis_ews_state"), help="where the state lies"
    )
    parser.add_argument("--workers", type=int, default=None, help="worker processes; one a core by default")
    parser.add_argument("--students-a-part", type=int, default=60_000)
    parser.add_argument("--rules", action="store_true", help="a night by rules alone")
    parser.add_argument("--json", action="store_true", help="one JSON object for a record")
    return parser.parse_args()


def _apart(work: Callable[..., Any], *arguments: object, **named: object) -> Any:
    """What some work gives that is done in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments, **named).result()


def _floor(source: Path) -> float:
    began = time.perf_counter()
    for table, columns in COLUMNS.items():
        pl.scan_parquet(source / table / "*.parquet").select(pl.col(columns).count()).collect()
    return time.perf_counter() - began


def _night(source: Path, workers: int | None, students_a_part: int, *, rules_only: bool) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        model = RulesModel() if rules_only else _model(Path(folder))
        watch = Watch()
        began = time.perf_counter()
        with LocalEngine(workers) as engine:
            night = score_night(
                source,
                model=model,
                policy=TierPolicy.load(),
                store=Path(folder) / "store",
                as_of=AS_OF,
                progress=watch,
                engine=engine,
                students_a_part=students_a_part,
            )
        return {
            "scored": night.scores.height,
            "whole": time.perf_counter() - began,
            "peak_mb": watch.peak,
            "steps": [asdict(step) for step in watch.steps],
        }


def _model(folder: Path) -> RiskModel:
    """A small model that was fitted on a made-up district: what it says does not matter here, what it costs does."""
    write_district(folder / "past", students=2_000, years=3, seed=7)
    school_data = read_school_data(folder / "past")
    day = date(2026, 1, 15)
    indicators = compute_indicators(school_data, day)
    labels = make_labels(school_data, day).drop_nulls("label")
    rows = build_features(indicators).join(labels.select("student_id", "label"), on="student_id").drop("student_id")
    names, _ = usable_features(rows.drop("label"))
    return RiskModel.fit(rows.select(names), rows["label"], seed=7)


def _table(record: dict[str, Any]) -> str:
    steps = [Step(**step) for step in record["steps"]]
    lines = [
        f"{record['scored']:,} students scored, {record['attendance']}; {os.cpu_count()} cores, {platform.machine()}, "
        f"polars {pl.__version__}",
        "",
        f"{'step':<28}{'seconds':>10}{'CPU s':>10}{'peak MB':>10}{'students/s':>13}",
    ]
    lines += [
        f"{step.name:<28}{step.wall:>10.2f}{step.cpu:>10.2f}{step.peak_mb:>10.0f}{record['scored'] / step.wall:>13,.0f}"
        for step in steps
        if step.wall >= 0.005
    ]
    whole, floor = record["whole"], record["floor"]
    lines += [
        f"{'whole night':<28}{whole:>10.2f}{'':>10}{record['peak_mb']:>10.0f}{record['scored'] / whole:>13,.0f}",
        f"{'the floor: decode alone':<28}{floor:>10.2f}{'':>20}{'':>13}",
        f"ratio of the night to the floor: {whole / floor:.1f}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
