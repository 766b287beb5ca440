"""What reading a OneRoster package costs, beside polars reading the same files: `make bench-readers`.

    python -m benchmarks.readers --results 1000000

A made-up gradebook is written once; each way reads it in a process of its own. The ratio travels, absolute times belong
to the machine. polars' `read_csv` does less: it finds no encoding, hashes nothing, counts no rejected row, and makes no
grade of the results.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from cis_ews.readers import read_school_data

COURSES = 6
ITEMS = 20  # line items a course
ID = "sourcedId"


def main() -> None:
    """Write the package where it is not there yet, read it in both ways, print their times."""
    arguments = _arguments()
    place = Path(arguments.data) / f"oneroster-{arguments.results}"
    if not place.exists():
        write_gradebook(place, results=arguments.results)
    megabytes = sum(path.stat().st_size for path in place.iterdir()) / 1e6
    print(f"{arguments.results:,} result rows, {megabytes:,.0f} MB")
    plain = _apart(read_plainly, place)
    ours = _apart(read_oneroster, place)
    for name, (wall, cpu, peak) in (("polars read_csv", plain), ("--format oneroster", ours)):
        rate = arguments.results / wall / 1e6
        print(f"  {name:20} {wall:6.2f} s {cpu:6.2f} CPU s {peak:6.0f} MB {rate:6.2f} million result rows a second")
    print(f"wall: {ours[0] / plain[0]:.1f} times polars; cpu: {ours[1] / plain[1]:.1f} times")


def write_gradebook(folder: Path, *, results: int) -> None:
    """A package of one school in which each student has every line item of six courses."""
    students = max(results // (COURSES * ITEMS), 1)
    folder.mkdir(parents=True)
    numbers = pl.DataFrame({"n": range(students)})
    items = pl.DataFrame({"i": range(COURSES * ITEMS)}).with_columns(c=pl.col("i") // ITEMS)
    student, item, course = pl.format("student-{}", "n"), pl.format("item-{}", "i"), pl.format("class-{}", "c")
    classes = items.select(course.alias(ID), course.alias("title")).unique(maintain_order=True)
    year = {ID: ["term"], "title": ["S1"], "type": ["term"], "startDate": ["2025-09-03"], "endDate": ["2026-01-30"]}
    tables = {
        "orgs": pl.DataFrame({ID: ["school"], "name": ["School"], "type": ["school"]}),
        "academicSessions": pl.DataFrame({**year, "schoolYear": ["2026"]}),
        "users": numbers.select(
            student.alias(ID), role=pl.lit("student"), givenName=pl.lit("Given"), familyName=pl.lit("Family")
        ),
        "classes": classes.with_columns(schoolSourcedId=pl.lit("school"), termSourcedIds=pl.lit("term")),
        "enrollments": numbers.select(
            pl.format("enrollment-{}", "n").alias(ID),
            classSourcedId=pl.lit("class-0"),
            schoolSourcedId=pl.lit("school"),
            userSourcedId=student,
            role=pl.lit("student"),
        ),
        "lineItems": items.select(
            item.alias(ID),
            classSourcedId=course,
            academicSessionSourcedId=pl.lit("term"),
            resultValueMax=pl.lit("100"),
        ),
        "results": numbers.join(items, how="cross").select(
            pl.format("result-{}-{}", "n", "i").alias(ID),
            status=pl.lit(None, dtype=pl.String),
            dateLastModified=pl.lit(None, dtype=pl.String),
            lineItemSourcedId=item,
            studentSourcedId=student,
            scoreStatus=pl.lit("fully graded"),
            score=(pl.col("n") * 31 + pl.col("i") * 17) % 101,
            scoreDate=pl.date(2025, 9, 8) + pl.duration(days=pl.col("i") % 100),
            comment=pl.lit(None, dtype=pl.String),
            late=pl.lit("false"),
            missing=pl.lit("false"),
        ),
    }
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv")


def read_plainly(folder: Path) -> int:
    """Every file as text, by polars."""
    return sum(pl.read_csv(path, infer_schema=False).height for path in sorted(folder.glob("*.csv")))


def read_oneroster(folder: Path) -> int:
    """The package as school data."""
    return read_school_data(folder, format="oneroster").course_grades.height


def _apart(work: Callable[[Path], int], folder: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the most memory (MB) of the work in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, work, folder).result()


def _measured(work: Callable[[Path], int], folder: Path) -> tuple[float, float, float]:
    begun, used = time.perf_counter(), time.process_time()
    work(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter() - begun, time.process_time() - used, peak


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--data", default=str(Path(tempfile.gettempdir()) / "cis_ews_readers"), help="where it lies")
    return parser.parse_args()


if __name__ == "__main__":
    main()
