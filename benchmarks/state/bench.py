"""What a night over a whole state costs, stage by stage, on made-up students: `make bench-state`.

    python -m benchmarks.state --students 1100000 --attendance both
    python -m benchmarks.state --students 100000 --without usual

The state is written once into `--data` and found there later. Every stage runs in a process of its own, by the code of
the night, and is fed by what the stage before has left on the disk. Beside it, in the same run: reading the needed
columns and nothing else (the floor), duckdb on the same indicators, LightGBM's `predict` of the same trees, and the
usual script on a tenth, scaled by ten. Absolute times belong to the machine; the ratios travel. Figures and the machine
they were measured on: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.publish import databases
from benchmarks.state import stages
from benchmarks.state.duckdb_indicators import NAMES, differing, duckdb_indicators
from benchmarks.state.measuring import Cost, Within, apart, machine
from benchmarks.state.models import SHAPES, Models
from benchmarks.state.report import Line, ratios, table
from benchmarks.state.stages import AS_OF, Known, Plan
from cis_ews.indicators import INDICATORS_SCHEMA
from cis_ews.night.parts import STUDENTS_A_PART
from cis_ews.synthetic import write_state
from cis_ews.synthetic.plan import Attendance

THROUGH = date(2026, 6, 12)
GROUPS = ("indicators", "stages", "night", "fixed", "sizes", "usual")
SMALLEST = 1_000
SIZES = (10_000, 100_000)
TENTH = 10


class Bench:
    """One run of the benchmark: its arguments, its folder, and what has been measured so far."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments, self.folder = arguments, folder
        self.lines: list[Line] = []
        self.facts: dict[str, Any] = {}
        self.models = Models(folder)

    def measure(
        self,
        name: str,
        work: Callable[..., Any],
        *given: object,
        rows: int | None = None,
        within: Within | None = None,
        **said: Any,
    ) -> Any:
        """Do the work in a process of its own and note its cost; `rows`: what it gives, if it gives a number."""
        result, cost = apart(work, *given, within=within)
        told = rows if rows is not None else result if isinstance(result, int) else None
        self.note(name, cost, rows=told, **said)
        return result

    def note(self, name: str, cost: Cost, **said: Any) -> None:
        """Keep a cost, and say it on the way where somebody waits."""
        self.lines.append(Line(name=name, cost=cost, **said))
        print(f"{name}: {cost.wall:.1f} s", file=sys.stderr, flush=True)

    def state(self, students: int, attendance: Attendance) -> Path:
        """The state of a size, written if it is not there."""
        source = Path(self.arguments.data) / f"{attendance}-{students}"
        if not source.exists():
            write = partial(write_state, students=students, attendance=attendance, through=THROUGH)
            summary, cost = apart(write, source)
            self.note(f"writing {students:,} students, {attendance}", cost, rows=sum(summary.rows.values()))
        return source

    def plan(self, students: int, attendance: Attendance, *, folder: str, shape: int = 0) -> Plan:
        """What stages work on."""
        place = self.folder / folder
        place.mkdir(exist_ok=True, mode=0o700)
        return Plan(
            source=self.state(students, attendance),
            folder=place,
            workers=self.arguments.workers,
            students_a_part=self.arguments.students_a_part,
            model_file=self.models.path(list(SHAPES)[shape]),
        )


def main() -> None:
    """Measure what was asked for, print a table or a record."""
    arguments = _arguments()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    Path(arguments.data).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.data) as folder:
        measured_on = machine()
        bench = Bench(arguments, Path(folder))
        for group in arguments.only:
            MEASURES[group](bench)
    record = {
        "students": arguments.students,
        "attendance": arguments.attendance,
        "machine": measured_on,
        "lines": [dataclasses.asdict(line) for line in bench.lines],
        "ratios": ratios(bench.lines),
        **bench.facts,
    }
    print(json.dumps(record, sort_keys=True) if arguments.json else "\n".join(table(record, bench.lines)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=1_100_000)
    parser.add_argument("--attendance", choices=["exceptions", "positive", "both"], default="both")
    parser.add_argument(
        "--data", default=str(Path(tempfile.gettempdir()) / "cis_ews_state"), help="where the states lie"
    )
    parser.add_argument("--workers", type=int, default=None, help="worker processes; one a core by default")
    parser.add_argument("--students-a-part", type=int, default=STUDENTS_A_PART)
    parser.add_argument(
        "--sizes", type=_numbers, help="of nights whose cost a student is compared: 10000,100000,1100000"
    )
    parser.add_argument("--only", type=_groups, default=list(GROUPS), help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--without", type=_groups, default=[], help="leave these out; usual takes longest")
    parser.add_argument("--json", action="store_true", help="one JSON object for a record")
    arguments = parser.parse_args()
    arguments.only = [group for group in arguments.only if group not in arguments.without]
    smaller = [size for size in SIZES if size < arguments.students]
    arguments.sizes = arguments.sizes or [*smaller, arguments.students]
    arguments.kinds = ["exceptions", "positive"] if arguments.attendance == "both" else [arguments.attendance]
    return arguments


def _numbers(said: str) -> list[int]:
    return [int(number) for number in said.split(",")]


def _groups(said: str) -> list[str]:
    chosen = said.split(",")
    if unknown := set(chosen) - set(GROUPS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there is {', '.join(GROUPS)}")
    return [group for group in GROUPS if group in chosen]


def _indicators(bench: Bench) -> None:
    """The floor, our indicators and duckdb's, of each kind of attendance."""
    bench.facts["indicators"] = {"ours": len(INDICATORS_SCHEMA), "duckdb": len(NAMES), "differing": {}}
    for kind in bench.arguments.kinds:
        plan = bench.plan(bench.arguments.students, kind, folder=f"indicators-{kind}")
        rows = bench.measure(f"decode alone, {kind}", stages.floor, plan.source)
        limit, memory = (9, 1_200) if kind == "positive" else (4, None)
        known = bench.measure(
            f"indicators, {kind}",
            stages.indicators,
            plan,
            within=plan.crew,
            rows=rows,
            limit=limit,
            memory_limit=memory,
        )
        out = plan.folder / "duckdb.parquet"
        by_duckdb = partial(duckdb_indicators, as_of=AS_OF, threads=stages.threads(plan))
        bench.measure(f"duckdb, {kind}", by_duckdb, plan.source, out, rows=rows, beside=f"indicators, {kind}", times=1)
        found = differing(stages.measured_indicators(plan, known), pl.read_parquet(out))
        bench.facts["indicators"]["differing"][kind] = found
        shutil.rmtree(plan.folder)


def _stages(bench: Bench) -> None:
    """From indicators to published flags, with the first model."""
    plan = bench.plan(bench.arguments.students, bench.arguments.kinds[0], folder="stages")
    known, _ = apart(stages.indicators, plan, within=plan.crew)
    shap = "exact SHAP, margin as its sum"
    for name, work, said in (
        ("features", stages.features, {"limit": 4}),
        (shap, stages.contributions, {"limit": 5}),
        ("LightGBM predict alone", stages.lightgbm_predict, {"beside": shap, "within": partial(plan.crew, "lightgbm")}),
        ("rules", stages.rules, {}),
        ("rules, calibration, reasons in words", stages.reasons, {"limit": 6}),
    ):
        bench.measure(name, stages.over, work, plan, known.parts, **{"within": plan.crew, **said})
    _published(bench, plan, known)
    shutil.rmtree(plan.folder)


def _published(bench: Bench, plan: Plan, known: Known) -> None:
    (students, run), cost = apart(stages.tiers_and_run, plan, known, within=plan.crew)
    bench.note("tiers, run as Parquet", cost, rows=students, limit=3)
    # What it says where there is no PostgreSQL would stand in the record.
    with contextlib.redirect_stdout(sys.stderr), databases(plan.folder) as urls:
        for kind, url in urls.items():
            limit = 3 if kind == "SQLite" else 4
            said: dict[str, Any] = {"within": plan.crew, "rows": students, "limit": limit}
            bench.measure(f"published to {kind}", stages.publish, plan, known, run, url, **said)
            for piece in plan.workspace.folder.glob("people-*"):
                shutil.rmtree(piece)  # the next one packs them too


def _nights(bench: Bench) -> None:
    """The whole night of each kind of attendance with the first model."""
    for kind in bench.arguments.kinds:
        limit = 40 if kind == "positive" else 30
        _night(bench, kind, shape=0, limit=limit, memory_limit=2_500)


def _night(bench: Bench, kind: Attendance, *, shape: int, **said: Any) -> None:
    plan = bench.plan(bench.arguments.students, kind, folder="night", shape=shape)
    name = night_name(kind, shape)
    done, cost = apart(stages.night, plan)
    bench.note(name, cost, rows=done["scored"], **said)
    bench.facts.setdefault("steps", {})[name] = done["steps"]


def night_name(kind: str, shape: int) -> str:
    """The line of a night in the table."""
    return f"whole night, {kind}, {list(SHAPES)[shape]}"


def _fixed(bench: Bench) -> None:
    """What a night costs before it has students to speak of."""
    plan = bench.plan(SMALLEST, "exceptions", folder="fixed")
    bench.measure(f"start to end, {SMALLEST:,} students", stages.from_the_start, plan, limit=4, is_fixed=True)


def _sizes(bench: Bench) -> None:
    """The cost a student of nights of several sizes; what was measured before is not measured again."""
    kind = bench.arguments.kinds[0]
    known = {line.rows: line.cost for line in bench.lines if line.name == night_name(kind, 0)}
    found = []
    for students in bench.arguments.sizes:
        if known and students == bench.arguments.students:
            [(scored, cost)] = known.items()
        else:
            done, cost = apart(stages.night, bench.plan(students, kind, folder="sizes"))
            scored = done["scored"]
        found.append({"students": students, "scored": scored, **dataclasses.asdict(cost)})
    bench.facts["sizes"] = found


def _usual(bench: Bench) -> None:
    """The usual script on a tenth of the students, with each model; scaled by ten, beside the whole night."""
    from benchmarks.state.usual_script import trees_of, usual_script

    kind = bench.arguments.kinds[0]
    for shape, name in enumerate(SHAPES):
        if night_name(kind, shape) not in {line.name for line in bench.lines}:
            _night(bench, kind, shape=shape)
        plan = bench.plan(bench.arguments.students // TENTH, kind, folder="usual", shape=shape)
        assert plan.model_file is not None
        matrix, out = plan.folder / "matrix.parquet", plan.folder / "usual.db"
        students, _ = apart(stages.matrix, plan, matrix, within=plan.crew)
        script, trees = partial(usual_script, as_of=AS_OF), partial(trees_of, plan.model_file)
        seconds, cost = apart(script, plan.source, matrix, out, within=trees)
        beside = {"beside": night_name(kind, shape), "times": (12, 50)[shape]}
        bench.note(f"usual, {name}, tenth x 10", cost.times(TENTH), rows=TENTH * students, **beside)
        bench.facts.setdefault("usual", {})[name] = seconds
        shutil.rmtree(plan.folder)


MEASURES: dict[str, Callable[[Bench], None]] = {
    "indicators": _indicators,
    "stages": _stages,
    "night": _nights,
    "fixed": _fixed,
    "sizes": _sizes,
    "usual": _usual,
}
