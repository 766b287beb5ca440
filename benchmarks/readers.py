"""What reading OneRoster and Ed-Fi costs, beside polars and lxml reading the same files: `make bench-readers`.

    python -m benchmarks.readers --results 1000000 --events 200000

A made-up gradebook and a made-up year of attendance are written once; each way reads them in a process of its own. The
ratio travels, absolute times belong to the machine. polars' `read_csv` does less: it finds no encoding, hashes nothing,
counts no rejected row, and makes no grade of the results. lxml alone parses and lets each record go.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.readers import edfi, oneroster, read_school_data

READERS = (oneroster, edfi)  # what a reader has to import is no part of what its rows cost
etree: Any = importlib.import_module("lxml.etree")  # it has no type information

COURSES = 6
DAYS_ABSENT = 20
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
    _compare(
        place, "polars read_csv", read_plainly, "--format oneroster", read_oneroster, amount=arguments.results / 1e6
    )
    print("million result rows a second")
    place = Path(arguments.data) / f"edfi-{arguments.events}"
    if not place.exists():
        write_events(place, events=arguments.events)
    megabytes = sum(path.stat().st_size for path in place.iterdir()) / 1e6
    print(f"\n{arguments.events:,} attendance events, {megabytes:,.0f} MB of XML")
    _compare(place, "lxml alone", parse_alone, "--format edfi", read_edfi, amount=megabytes)
    print("MB a second")


def _compare(
    place: Path, plainly: str, alone: Callable[[Path], int], name: str, read: Callable[[Path], int], *, amount: float
) -> None:
    """Read in both ways and print their costs; `amount`: what a rate is of."""
    plain, ours = _apart(alone, place), _apart(read, place)
    for who, (wall, cpu, serial, peak) in ((plainly, plain), (name, ours)):
        rate = f"{amount / wall:8.2f} a second"
        print(f"  {who:20} {wall:6.2f} s {cpu:6.2f} CPU s ({serial:.2f} in its first thread) {peak:6.0f} MB {rate}")
    print(f"  wall: {ours[0] / plain[0]:.1f} times {plainly}; cpu: {ours[1] / plain[1]:.1f} times", end="; the rate: ")


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


def write_events(folder: Path, *, events: int) -> None:
    """A package of one school in which each student was absent on twenty days of a year."""
    students, days = max(events // DAYS_ABSENT, 1), pl.date_range(pl.date(2025, 9, 3), pl.date(2026, 5, 29), eager=True)
    school = "<SchoolReference><SchoolIdentity><SchoolId>school</SchoolId></SchoolIdentity></SchoolReference>"
    taught = days.filter(days.dt.weekday() <= 5)
    folder.mkdir(parents=True)

    def write(interchange: str, records: Iterable[str]) -> None:
        name = f"Interchange{interchange}"
        with (folder / f"{interchange}.xml").open("w", encoding="utf-8") as file:
            file.write(f'<{name} xmlns="http://ed-fi.org/5.2.0">\n')
            file.writelines(records)
            file.write(f"</{name}>\n")

    def who(number: int) -> str:
        named = f"<StudentUniqueId>student-{number}</StudentUniqueId>"
        return f"<StudentReference><StudentIdentity>{named}</StudentIdentity></StudentReference>"

    session = (
        f"<SessionName>S1</SessionName><SchoolYear>2025-2026</SchoolYear><BeginDate>{days[0]}</BeginDate>"
        f"<EndDate>{days[-1]}</EndDate>{school}"
    )
    write("EducationOrganization", ["<School><SchoolId>school</SchoolId></School>\n"])
    write("EducationOrgCalendar", [f"<Session>{session}</Session>\n"])
    write(
        "Student", (f"<Student><StudentUniqueId>student-{at}</StudentUniqueId></Student>\n" for at in range(students))
    )
    write(
        "StudentEnrollment",
        (
            f"<StudentSchoolAssociation>{who(at)}{school}<EntryDate>{days[0]}</EntryDate></StudentSchoolAssociation>\n"
            for at in range(students)
        ),
    )
    category = "uri://ed-fi.org/AttendanceEventCategoryDescriptor#Excused Absence"
    write(
        "StudentAttendance",
        (
            "<StudentSchoolAttendanceEvent>\n  <AttendanceEvent>\n"
            f"    <EventDate>{taught[(at * 7 + number * 9) % len(taught)]}</EventDate>\n"
            f"    <AttendanceEventCategory>{category}</AttendanceEventCategory>\n"
            f"    <EventDuration>1</EventDuration>\n  </AttendanceEvent>\n  {who(at)}\n  {school}\n"
            "  <SessionReference><SessionIdentity><SessionName>S1</SessionName><SchoolYear>2025-2026</SchoolYear>"
            f"{school}</SessionIdentity></SessionReference>\n</StudentSchoolAttendanceEvent>\n"
            for at in range(students)
            for number in range(DAYS_ABSENT)
        ),
    )


def parse_alone(folder: Path) -> int:
    """Every file by lxml as a stream, each record of attendance let go as it comes."""
    records = 0
    for path in sorted(folder.glob("*.xml")):
        for _, element in etree.iterparse(path, events=("end",), tag="{*}StudentSchoolAttendanceEvent"):
            records += 1
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return records


def read_edfi(folder: Path) -> int:
    """The package as school data."""
    return read_school_data(folder, format="edfi").attendance_events.height


def _apart(work: Callable[[Path], int], folder: Path) -> tuple[float, float, float, float]:
    """Wall seconds, CPU seconds, those of them in the thread that calls, and the most memory (MB), in a fresh process.

    On two idle cores the work takes no less than the calling thread, and no less than half of all.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, work, folder).result()


def _measured(work: Callable[[Path], int], folder: Path) -> tuple[float, float, float, float]:
    begun, used, serial = time.perf_counter(), time.process_time(), time.thread_time()
    work(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter() - begun, time.process_time() - used, time.thread_time() - serial, peak


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--data", default=str(Path(tempfile.gettempdir()) / "cis_ews_readers"), help="where it lies")
    return parser.parse_args()


if __name__ == "__main__":
    main()
