"""The indicators of a state in duckdb's SQL, by the definitions of `cis_ews.indicators`, on the same files.

A part of what `compute_indicators` gives (`NAMES`): days enrolled by running counts of the calendar, absence by window
and kind, runs of absence, incidents by window, averages and failures of courses. Its rows are those of every student
enrolled this year. Nothing is checked and nothing is rejected: it has less to do than ours.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from cis_ews.indicators import DAY_PARTS
from cis_ews.indicators.coursework import FAILING_MARKS, GRADE_MARKS
from cis_ews.indicators.windows import FIRST_DAYS, LAST_DAYS

TABLES = ("calendar_days", "enrollments", "reporting", "attendance_events", "incidents", "course_grades")

_DAYS = """
CREATE TEMP TABLE day AS
WITH year AS (FROM calendar_days WHERE school_year = $year AND date <= $as_of),
date_of AS (
    SELECT unnest(generate_series(min(date)::TIMESTAMP - INTERVAL 1 DAY, max(date), INTERVAL 1 DAY))::DATE AS date
    FROM year
)
SELECT school_id, date, coalesce(is_instructional, false) AS is_day,
       sum(is_day::INT) OVER (PARTITION BY school_id ORDER BY date)::INT AS so_far
FROM (SELECT DISTINCT school_id FROM year) CROSS JOIN date_of LEFT JOIN year USING (school_id, date)
"""

_SEGMENTS = """
CREATE TEMP TABLE segment AS
WITH spell AS (
    SELECT student_id, school_id, entry_date AS start,
           CASE WHEN exit_date <= $as_of THEN exit_date ELSE $as_of END AS stop
    FROM enrollments WHERE school_year = $year AND entry_date <= $as_of
),
several AS (SELECT student_id FROM spell GROUP BY ALL HAVING count(*) > 1),
crossing AS (FROM spell SEMI JOIN several USING (student_id)),
cut AS (SELECT student_id, start AS cut FROM crossing UNION SELECT student_id, stop + 1 FROM crossing),
piece AS (SELECT *, lead(cut) OVER (PARTITION BY student_id ORDER BY cut) - 1 AS until FROM cut),
owned AS (
    SELECT student_id, school_id, start, stop FROM spell ANTI JOIN several USING (student_id)
    UNION ALL
    SELECT student_id, school_id, cut, until
    FROM piece JOIN crossing USING (student_id) WHERE cut BETWEEN start AND stop
    QUALIFY row_number() OVER (PARTITION BY student_id, cut ORDER BY start DESC, school_id) = 1
),
edge AS (SELECT min(date) AS first, max(date) AS last FROM day),
bounded AS (
    SELECT student_id, school_id, start,
           least(greatest(start - 1, first), last) AS after,
           greatest(after, least(stop, last)) AS until,
           greatest(after, least(stop, reported_through, last)) AS reported
    FROM owned LEFT JOIN reporting USING (school_id), edge
),
counted AS (
    SELECT b.*, a.so_far AS before, u.so_far - a.so_far AS elapsed_days, r.so_far - a.so_far AS days
    FROM bounded b
    JOIN day a ON a.school_id = b.school_id AND a.date = b.after
    JOIN day u ON u.school_id = b.school_id AND u.date = b.until
    JOIN day r ON r.school_id = b.school_id AND r.date = b.reported
)
SELECT *, coalesce(sum(days) OVER earlier, 0) - before AS shift,
       coalesce(sum(elapsed_days) OVER earlier, 0) - before AS elapsed_shift
FROM counted
WINDOW earlier AS (PARTITION BY student_id ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
"""

_STUDENTS = """
CREATE TEMP TABLE student AS
SELECT student_id, sum(days)::INT AS total, sum(elapsed_days)::INT AS elapsed_total FROM segment GROUP BY ALL
"""

_ABSENCE = f"""
CREATE TEMP TABLE absence AS
WITH late_or_absent AS (
    SELECT student_id, date, status = 'tardy' AS is_late,
           CASE WHEN is_late THEN -1
                ELSE 2 * round(fraction_absent * {DAY_PARTS})::INT + (status = 'excused')::INT END AS weight
    FROM attendance_events WHERE status <> 'present' AND date <= $as_of
),
of_day AS (
    SELECT student_id, (d.so_far + s.shift)::INT AS number, max(weight) AS weight, bool_or(is_late) AS is_late
    FROM late_or_absent e
    JOIN segment s USING (student_id)
    JOIN day d ON d.school_id = s.school_id AND d.date = e.date AND d.is_day
    WHERE e.date > s.after AND e.date <= s.reported
    GROUP BY ALL
)
SELECT student_id, number, is_late, weight >= 0 AS is_absent, greatest(weight, 0) // 2 AS parts,
       parts * (weight % 2) AS excused_parts, parts * 2 >= {DAY_PARTS} AS is_full, total - number AS ago
FROM of_day JOIN student USING (student_id)
"""  # noqa: S608 - of names and terms written here

_RUNS = """
CREATE TEMP TABLE run AS
WITH in_a_row AS (
    SELECT student_id, ago, number - row_number() OVER (PARTITION BY student_id ORDER BY number) AS island
    FROM absence WHERE is_full
),
island AS (SELECT student_id, count(*)::INT AS days, min(ago) AS ago FROM in_a_row GROUP BY student_id, island)
SELECT student_id, max(days) AS longest_absence_run, sum(days) FILTER (WHERE ago = 0) AS current_absence_run
FROM island GROUP BY student_id
"""

_WINDOWS = {f"first_{FIRST_DAYS}": f"number <= {FIRST_DAYS}"} | {f"last_{days}": f"ago < {days}" for days in LAST_DAYS}

_UNEXCUSED = ", ".join(
    f"sum(parts - excused_parts) FILTER (WHERE ago < {days}) AS unexcused_parts_last_{days}" for days in LAST_DAYS
)

_MISSED = f"""
CREATE TEMP TABLE missed AS
SELECT student_id,
       sum(parts) AS absent_parts_ytd,
       sum(excused_parts) AS excused_parts_ytd,
       {", ".join(f"sum(parts) FILTER (WHERE {inside}) AS absent_parts_{name}" for name, inside in _WINDOWS.items())},
       {_UNEXCUSED},
       count(*) FILTER (WHERE is_late) AS tardies_ytd,
       count(*) FILTER (WHERE is_full) AS full_days_absent_ytd,
       min(ago) FILTER (WHERE is_absent) AS days_since_last_absence
FROM absence GROUP BY student_id
"""  # noqa: S608 - of names and terms written here

_SEVERITIES = ("minor", "major")
_INCIDENT_COUNTS = ", ".join(
    f"count(*) FILTER (WHERE severity = '{severity}' AND {inside}) AS incidents_{severity}_{name}"
    for severity in _SEVERITIES
    for name, inside in ({"ytd": "true"} | _WINDOWS).items()
)

_INCIDENTS = f"""
CREATE TEMP TABLE incident AS
WITH begins AS (SELECT school_id, min(date) AS first FROM calendar_days WHERE school_year = $year GROUP BY ALL),
of_year AS (
    SELECT student_id, date, severity FROM incidents JOIN begins USING (school_id)
    WHERE date BETWEEN first AND $as_of
),
placed AS (
    SELECT i.student_id, severity, least(greatest(i.date, s.after), s.until) AS on_day, s.school_id, s.elapsed_shift
    FROM of_year i ASOF LEFT JOIN segment s ON i.student_id = s.student_id AND i.date >= s.start
),
numbered AS (
    SELECT student_id, severity, greatest(coalesce(d.so_far + p.elapsed_shift, 0), 1) AS number
    FROM placed p LEFT JOIN day d ON d.school_id = p.school_id AND d.date = p.on_day
),
recent AS (
    SELECT student_id, severity, number, elapsed_total - number AS ago FROM numbered JOIN student USING (student_id)
)
SELECT student_id, count(*) AS incidents_ytd, greatest(min(ago), 0) AS days_since_last_incident, {_INCIDENT_COUNTS}
FROM recent GROUP BY student_id
"""  # noqa: S608 - of names and terms written here

_GRADES = f"""
CREATE TEMP TABLE grade AS
WITH term_end AS (
    SELECT school_id, term, max(date) AS ends FROM calendar_days WHERE school_year = $year GROUP BY ALL
),
year_end AS (SELECT school_id, max(date) AS ends FROM calendar_days WHERE school_year = $year GROUP BY ALL),
dated AS (
    SELECT g.*, upper(trim(mark)) AS letter, coalesce(graded_on, t.ends, y.ends) AS known_on,
           coalesce(t.ends, known_on) AS term_date
    FROM course_grades g
    LEFT JOIN term_end t USING (school_id, term)
    LEFT JOIN year_end y ON y.school_id = g.school_id
    WHERE g.school_year = $year
)
SELECT student_id, term, subject, is_core, is_final, term_date,
       floor(percent * 10000 + 0.5)::BIGINT AS percent_units,
       floor(grade_points * 10000 + 0.5)::BIGINT AS point_units,
       coalesce(letter <> '', false) OR percent IS NOT NULL AS has_mark,
       coalesce(letter IN {GRADE_MARKS}, false) AS is_grade,
       is_grade OR percent IS NOT NULL AS is_judged,
       CASE WHEN is_grade THEN letter IN {FAILING_MARKS} ELSE coalesce(percent < 60, false) END AS is_failing
FROM dated WHERE known_on <= $as_of
"""  # noqa: S608 - of names and terms written here

_COURSES = """
CREATE TEMP TABLE course AS
WITH of_term AS (
    SELECT student_id, term, max(term_date) AS term_date, bool_or(has_mark) AS has_mark,
           sum(percent_units) AS percent_units, count(percent_units) AS percents,
           sum(point_units) AS point_units, count(point_units) AS points,
           count(*) AS courses, count(*) FILTER (WHERE is_judged) AS judged,
           count(*) FILTER (WHERE is_failing) AS failing,
           count(*) FILTER (WHERE is_core) AS core, count(*) FILTER (WHERE is_core AND is_judged) AS core_judged,
           count(*) FILTER (WHERE is_core AND is_failing) AS core_failing,
           count(*) FILTER (WHERE subject = 'english' AND is_judged) AS english_judged,
           count(*) FILTER (WHERE subject = 'english' AND is_failing) AS english_failing,
           count(*) FILTER (WHERE subject = 'math' AND is_judged) AS math_judged,
           count(*) FILTER (WHERE subject = 'math' AND is_failing) AS math_failing,
           count(*) FILTER (WHERE is_final) AS finals,
           count(*) FILTER (WHERE is_final AND is_judged) AS finals_judged,
           count(*) FILTER (WHERE is_final AND is_failing) AS finals_failing
    FROM grade GROUP BY ALL
),
of_year AS (
    SELECT student_id, sum(point_units) / (sum(points) * 10000) AS gpa_ytd,
           sum(percent_units) / (sum(percents) * 10000) AS percent_average_ytd,
           CASE WHEN sum(finals) > 0 AND sum(finals_judged) > 0 THEN sum(finals_failing) END AS course_failures_ytd
    FROM of_term GROUP BY ALL
),
latest AS (
    FROM of_term WHERE has_mark
    QUALIFY row_number() OVER (PARTITION BY student_id ORDER BY term_date DESC, term DESC) = 1
)
SELECT student_id, gpa_ytd, percent_average_ytd, course_failures_ytd, term AS latest_term,
       point_units / (points * 10000) AS gpa_latest_term,
       percent_units / (percents * 10000) AS percent_average_latest_term,
       CASE WHEN judged > 0 THEN failing END AS failing_courses,
       CASE WHEN core = 0 OR core_judged > 0 THEN core_failing END AS failing_core_courses,
       CASE WHEN english_judged > 0 THEN english_failing > 0 END AS failing_english,
       CASE WHEN math_judged > 0 THEN math_failing > 0 END AS failing_math
FROM of_year LEFT JOIN latest USING (student_id)
"""

_RATES = ("ytd", *_WINDOWS)
_ENROLLED = {"ytd": "total", f"first_{FIRST_DAYS}": f"least(total, {FIRST_DAYS})"} | {
    f"last_{days}": f"least(total, {days})" for days in LAST_DAYS
}
_SUMS = {
    **{f"days_absent_{window}": f"coalesce(absent_parts_{window}, 0) / {DAY_PARTS}" for window in _RATES},
    **{
        f"absence_rate_{window}": f"CASE WHEN total > 0 THEN coalesce(absent_parts_{window}, 0) / "
        f"({days} * {DAY_PARTS}) END"
        for window, days in _ENROLLED.items()
    },
    **{f"days_enrolled_{window}": days for window, days in _ENROLLED.items()},
    "days_excused_ytd": f"coalesce(excused_parts_ytd, 0) / {DAY_PARTS}",
    "days_unexcused_ytd": f"coalesce(absent_parts_ytd - excused_parts_ytd, 0) / {DAY_PARTS}",
    **{f"days_unexcused_last_{days}": f"coalesce(unexcused_parts_last_{days}, 0) / {DAY_PARTS}" for days in LAST_DAYS},
    "chronically_absent": f"CASE WHEN total > 0 THEN coalesce(absent_parts_ytd, 0) * 10 >= total * {DAY_PARTS} END",
}
_ZERO_IF_NONE = (
    *("tardies_ytd", "full_days_absent_ytd", "longest_absence_run", "current_absence_run", "incidents_ytd"),
    *(f"incidents_{severity}_{name}" for severity in _SEVERITIES for name in ("ytd", *_WINDOWS)),
)
_AS_THEY_ARE = (
    *("days_since_last_absence", "days_since_last_incident", "gpa_ytd", "percent_average_ytd", "course_failures_ytd"),
    *("latest_term", "gpa_latest_term", "percent_average_latest_term", "failing_courses", "failing_core_courses"),
    *("failing_english", "failing_math"),
)
NAMES = (*_SUMS, *_ZERO_IF_NONE, *_AS_THEY_ARE)
"""The indicators that duckdb gives, by the names of the catalog."""

_WHOLE = f"""
COPY (
    SELECT student_id, {", ".join(f"{term} AS {name}" for name, term in _SUMS.items())},
           {", ".join(f"coalesce({name}, 0) AS {name}" for name in _ZERO_IF_NONE)}, {", ".join(_AS_THEY_ARE)}
    FROM student LEFT JOIN missed USING (student_id) LEFT JOIN run USING (student_id)
    LEFT JOIN incident USING (student_id) LEFT JOIN course USING (student_id)
    ORDER BY student_id
) TO '%s' (FORMAT parquet)
"""  # noqa: S608 - of names and terms written here


def duckdb_indicators(source: Path, out: Path, *, as_of: date, threads: int) -> int:
    """Write the indicators of a state's students to a Parquet file; how many students there are."""
    school_year = as_of.year + (as_of.month > 7)
    with duckdb.connect(config={"threads": threads, "temp_directory": str(out.parent)}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for table in TABLES:
            connection.execute(f"CREATE VIEW {table} AS FROM '{source}/{table}/*.parquet'")
        for statement in (_DAYS, _SEGMENTS, _STUDENTS, _ABSENCE, _RUNS, _MISSED, _INCIDENTS, _GRADES, _COURSES):
            given = {"as_of": as_of, "year": school_year}
            connection.execute(statement, {name: value for name, value in given.items() if f"${name}" in statement})
        connection.execute(_WHOLE % out)
        return connection.execute("SELECT count(*) FROM student").fetchall()[0][0]


def differing(ours: pl.DataFrame, theirs: pl.DataFrame) -> dict[str, int]:
    """Indicators of which the students of `ours` do not all have the same value in both: name -> how many."""
    beside = ours.select("student_id").join(theirs, on="student_id", how="left", maintain_order="left")
    counts = {name: int((~_same(ours[name], beside[name])).sum()) for name in NAMES}
    return {name: count for name, count in counts.items() if count}


def _same(ours: pl.Series, theirs: pl.Series) -> pl.Series:
    if ours.dtype.is_numeric():
        near = (ours.cast(pl.Float64) - theirs.cast(pl.Float64)).abs() < 1e-9
        return near.fill_null(value=False) | (ours.is_null() & theirs.is_null())
    return ours.cast(pl.String).eq_missing(theirs.cast(pl.String))
