"""What a night costs that is given one day's rows, beside the night that is given the whole year: `make bench-delta`.

    python -m benchmarks.delta --students 100000 --attendance positive

A made-up state is written through its last day. What the state knew a school day earlier is loaded first, and its night
made; then the night after it is made twice, each beside that earlier run and so with its changes: from the whole
extract without a state, and from the day's rows alone. CPU seconds are those of all processes; the ratio travels,
absolute times belong to the machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.state.measuring import Watch
from cis_ews import RulesModel, TierPolicy, score_night
from cis_ews.engines.local import LocalEngine, end_with_parent
from cis_ews.synthetic import write_state

DAY, BEFORE = date(2026, 6, 10), date(2026, 6, 9)
DATED = {"attendance_events": "date", "incidents": "date", "discipline_actions": "start_date"}


def main() -> None:
    """Write the state and the day, make three nights, print their times."""
    arguments = _arguments()
    place = Path(arguments.data) / f"{arguments.attendance}-{arguments.students}-delta"
    if not place.exists():
        write_state(place / "whole", students=arguments.students, attendance=arguments.attendance, through=DAY)
        write_day(place / "whole", place / "before", place / "day")
    with tempfile.TemporaryDirectory() as folder:
        night = {"workers": arguments.workers, "students_a_part": arguments.students_a_part}
        kept, plain = Path(folder) / "kept", Path(folder) / "plain"
        first = _apart(place / "before", kept, state="keep", as_of=BEFORE, **night)
        _show("first load, through the day before", first)
        shutil.copytree(kept, plain)
        whole = _apart(place / "whole", plain, state=None, as_of=DAY, **night)
        _show("the night from the whole year", whole)
        day = _apart(place / "day", kept, state="add", as_of=DAY, **night)
        _show("the night from the day's rows", day)
        for kind in ("wall", "cpu"):
            costs = [sum(step[kind] for step in steps.values()) for steps in (day, whole)]
            print(f"{kind}: the day's night costs {costs[0] / costs[1]:.0%} of the whole year's")


def write_day(whole: Path, before: Path, day: Path) -> None:
    """Cut an extract into what was known a day earlier, and the rows of the last day."""
    for folder in sorted(path for path in whole.iterdir() if path.is_dir() or path.suffix == ".parquet"):
        table = folder.stem
        if table not in DATED:
            _copied(folder, before / folder.name)
            continue
        files = sorted(folder.glob("*.parquet")) if folder.is_dir() else [folder]
        is_new = pl.col(DATED[table]) >= DAY
        (before / table).mkdir(parents=True)
        for file in files:
            pl.scan_parquet(file).filter(~is_new).sink_parquet(before / table / file.name, maintain_order=True)
        day.mkdir(exist_ok=True)
        pl.concat([pl.scan_parquet(file).filter(is_new) for file in files]).sink_parquet(day / f"{table}.parquet")
    for path in whole.glob("reporting*"):
        _copied(path, day / path.name)


def _copied(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _apart(*arguments: Any, **named: Any) -> dict[str, dict[str, float]]:
    work: Callable[..., dict[str, dict[str, float]]] = _night
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        return pool.submit(work, *arguments, **named).result()


def _night(source: Path, store: Path, *, state: Any, as_of: date, workers: int | None, students_a_part: int) -> Any:
    watch = Watch()
    with LocalEngine(workers) as engine:
        score_night(
            source,
            model=RulesModel(),
            policy=TierPolicy.load(),
            store=store,
            as_of=as_of,
            engine=engine,
            progress=watch,
            students_a_part=students_a_part,
            state=state,
        )
    return {name: {"wall": cost.wall, "cpu": cost.cpu, "peak": cost.peak_mb} for name, cost in watch.steps.items()}


def _show(title: str, steps: dict[str, dict[str, float]]) -> None:
    print(f"\n{title}: {sum(step['wall'] for step in steps.values()):.1f} s")
    for name, step in steps.items():
        print(f"  {name:28} {step['wall']:7.1f} s {step['cpu']:7.1f} CPU s {step['peak']:7.0f} MB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--attendance", choices=["exceptions", "positive"], default="exceptions")
    parser.add_argument(
        "--data", default=str(Path(tempfile.gettempdir()) / "cis_ews_state"), help="where the state lies"
    )
    parser.add_argument("--workers", type=int, default=None, help="worker processes; one a core by default")
    parser.add_argument("--students-a-part", type=int, default=40_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
