"""The page `docs/synthetic.md`: the made-up district's figures beside the published ones that they follow.

Written anew by `python -m cis_ews.synthetic.page docs/synthetic.md`; a test holds every figure within its bounds and
the page to what this module renders.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cis_ews.synthetic.generator import write_district
from cis_ews.synthetic.marginals import (
    Extract,
    chance_after_an_absence,
    chronic,
    correlation_of_first_days,
    correlation_of_points,
    demographic,
    graduation,
    height_of_grades,
    in_september,
    monday_and_friday,
    on_track,
    read_extract,
    several_majors,
    share,
    suspensions_excused,
    year_to_year,
)
from cis_ews.synthetic.roster import GRADES

STUDENTS, DISTRICTS, SEED = 12_000, 2, 7
OSPI_2016 = "OSPI report card, October 2016 and May 2017"
DESIGN = "asked of the generator"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is called, the published one in words and its source, and the bounds that ours must keep."""

    name: str
    published: str
    source: str
    bounds: tuple[float, float]
    of: Callable[[Extract], float]
    percent: bool = True

    def text(self, extract: Extract) -> str:
        """The figure as the page shows it."""
        value = self.of(extract)
        return f"{100 * value:.1f} %" if self.percent else f"{value:.2f}"


FIGURES: tuple[tuple[str, tuple[Figure, ...]], ...] = (
    (
        "Attendance",
        (
            Figure("Chronically absent (10 % of days or more)", "27.3 %", "OSPI, 2023-24", (0.25, 0.30), chronic),
            Figure(
                "Chronic absence in K, 8, 9 and 12, as a multiple of the other grades",
                "highest in K, 8-9, 12",
                "OSPI",
                (1.15, 1.9),
                height_of_grades,
                percent=False,
            ),
            Figure(
                "Of those absent fewer than 2 days in September: chronic",
                "few",
                "Olson 2014",
                (0.08, 0.25),
                lambda extract: in_september(extract, (0, 2)),
            ),
            Figure(
                "Of those absent 2 to 4 days in September: chronic",
                "about half",
                "Olson 2014",
                (0.40, 0.62),
                lambda extract: in_september(extract, (2, 4.0001)),
            ),
            Figure(
                "Of those absent more than 4 days in September: chronic",
                "nearly 9 in 10",
                "Olson 2014",
                (0.70, 0.95),
                lambda extract: in_september(extract, (4.0001, 99)),
            ),
            Figure(
                "Correlation of the absence rate of the first 60 days with the rest of the year",
                "0.5 to 0.8",
                DESIGN,
                (0.5, 0.8),
                correlation_of_first_days,
                percent=False,
            ),
            Figure(
                "Correlation of a year's absence rate with the year before",
                "-",
                "-",
                (0.45, 0.8),
                year_to_year,
                percent=False,
            ),
            Figure(
                "Chance of an absence after an absence, as a multiple of any day's",
                "-",
                "-",
                (3.0, 8.0),
                chance_after_an_absence,
                percent=False,
            ),
            Figure(
                "Absences a Monday or Friday, as a multiple of the other days'",
                "-",
                "-",
                (1.08, 1.5),
                monday_and_friday,
                percent=False,
            ),
        ),
    ),
    (
        "Behavior",
        (
            Figure(
                "Kept out of school at least once (short- or long-term suspension, expulsion)",
                "4.5 %",
                "OSPI discipline file, 2023-24",
                (0.04, 0.065),
                lambda extract: share(extract, pl.col("kept_out")),
            ),
            Figure(
                "Suspended at all, in school included",
                "5 to 10 %",
                DESIGN,
                (0.05, 0.10),
                lambda extract: share(extract, pl.col("suspended")),
            ),
            Figure(
                "Two major incidents or more, elementary",
                "about 8 %",
                "SWIS referrals, 2017-18",
                (0.06, 0.11),
                lambda extract: several_majors(extract, "elementary"),
            ),
            Figure(
                "Two major incidents or more, middle",
                "about 13 %",
                "SWIS referrals, 2017-18",
                (0.10, 0.17),
                lambda extract: several_majors(extract, "middle"),
            ),
            Figure(
                "Two major incidents or more, high",
                "about 13 %",
                "SWIS referrals, 2017-18",
                (0.10, 0.17),
                lambda extract: several_majors(extract, "high"),
            ),
            Figure(
                "Out-of-school suspensions whose first day is an excused absence",
                "all",
                "ch. 392-401 WAC",
                (1.0, 1.0),
                suspensions_excused,
            ),
        ),
    ),
    (
        "Coursework and graduation",
        (
            Figure(
                "First-time ninth graders who earned every credit attempted",
                "70 to 85 %",
                DESIGN,
                (0.68, 0.85),
                on_track,
            ),
            Figure(
                "Correlation of a year's grade points with its absence rate",
                "-",
                "-",
                (-0.7, -0.35),
                correlation_of_points,
                percent=False,
            ),
            Figure(
                "Four-year graduation (each grade's chances of these years, multiplied)",
                "80.9 %",
                "OSPI, class of 2019",
                (0.77, 0.84),
                graduation,
            ),
        ),
    ),
    (
        "Who the students are",
        (
            Figure("Male", "51.6 %", OSPI_2016, (0.49, 0.54), lambda each: demographic(each, "gender", "M")),
            Figure(
                "White", "55.2 %", OSPI_2016, (0.49, 0.60), lambda each: demographic(each, "race_ethnicity", "White")
            ),
            Figure(
                "Hispanic",
                "22.8 %",
                OSPI_2016,
                (0.19, 0.28),
                lambda each: demographic(each, "race_ethnicity", "Hispanic"),
            ),
            Figure(
                "Asian", "7.5 %", OSPI_2016, (0.055, 0.10), lambda each: demographic(each, "race_ethnicity", "Asian")
            ),
            Figure(
                "Black", "4.4 %", OSPI_2016, (0.03, 0.06), lambda each: demographic(each, "race_ethnicity", "Black")
            ),
            Figure(
                "English learners",
                "11.3 %",
                OSPI_2016,
                (0.09, 0.15),
                lambda each: demographic(each, "english_learner", "current", "newcomer"),
            ),
            Figure(
                "Low income", "42.9 %", OSPI_2016, (0.33, 0.56), lambda each: demographic(each, "low_income", "true")
            ),
            Figure(
                "With a disability",
                "13.8 %",
                OSPI_2016,
                (0.11, 0.17),
                lambda each: demographic(each, "disability", "true"),
            ),
        ),
    ),
)

HEAD = """# A made-up district

`cis-ews synthesize` writes a district of which nobody is real, in the plain folder format. It is there to exercise
every stage, near enough to Washington's rates that lists, tiers and pages look like those of a real district. It is
**never a source of accuracy claims**: how well a rule or a model finds students here says how the generator was built.

- **Students** carry propensities for absence, conduct and marks through the years; schools and poverty shift them a
  little. On top lie shocks of the year and of the month, illness waves, seasons, weekdays, days beside holidays, and
  chance: two students with the same record in February end the year differently.
- **Absences** come in spells, whole days or parts (quarters in elementary schools, sixths above), excused or not; a day
  of out-of-school suspension is an excused absence of the same day.
- **Marks** follow the attendance of the term and, more, of the one before, with ability and noise; some come weeks
  late, some are missing or incomplete.
- **Moves**: late entries, transfers with a gap of days, returns, two schools at once (a skills center), drop-outs whose
  odds rise with absence and failing, graduates, repeated grades, new kindergartners.
- **Gaps**: schools report up to different days, and one stopped two weeks before the end of the extract; some schools
  do not say when a mark was given. With `dirt`, a few rows break a rule, counted in `synthetic.json` of the folder.

The same arguments give the same bytes on the same machine. Memory does not grow with the number of students.
"""

TAIL = """
## More rows, or fewer

- `--attendance positive` (`attendance="positive"` in Python) writes a row for every day on which a student was
  expected, with status `present` where nothing happened; without it, absences and tardies alone. Both tell of the same
  year.
- `--summaries` keeps rosters and calendars of the years before the last, and one row a student and year in
  `student_years` in place of their daily rows, incidents and grades: the figures that these rows would have given.

## A state

`cis-ews synthesize OUT --state` (`cis_ews.synthetic.write_state`) writes what a night over all of Washington has to
read: one school year up to 12 June, the two before it summed up, districts and schools in proportion to `--students`.
It is there to measure time and memory. Schools note more minor incidents than in the district above (about four and a
half incidents a student and year), marks are collected from grade 3 on, and no row is planted that breaks a rule.

Rows at 1.1 million students, seed 7 (295 districts, 2,484 schools):

| table | rows |
|---|---|
| `attendance_events`, exceptions | 20.3 million |
| `attendance_events`, positive | 191.3 million |
| `incidents`, `discipline_actions` | 5.1 million, 0.2 million |
| `course_grades` | 8.5 million |
| `student_years` | 2.2 million |
| `students`, `enrollments` | 1.4 million, 3.5 million |
| `calendar_days` | 1.5 million |

Every table is a folder of Parquet parts, `part-00001.parquet` and so on. A part holds all rows of some 30,000 students,
sorted by student and date, and part 7 of every table has the same students. Student ids rise from part to part, so that
the ids of two parts never overlap, and history follows a child who moves between districts. Row groups have about
250,000 rows; ids and words are dictionaries.
"""


def render_page(extract: Extract) -> str:
    """The whole page, with the figures of an extract."""
    size = f"{STUDENTS:,} students at a time in {DISTRICTS} districts over 3 years, seed {SEED}"
    parts = [HEAD, f"\nThe figures below are measured on {size},\nkindergarten to grade 12, all years together.\n"]
    for heading, figures in FIGURES:
        parts.append(f"\n## {heading}\n\n| figure | here | published | source |\n|---|---|---|---|\n")
        parts += [f"| {each.name} | {each.text(extract)} | {each.published} | {each.source} |\n" for each in figures]
    return "".join([*parts, _by_grade(extract), TAIL])


def _by_grade(extract: Extract) -> str:
    head = "| grade | chronically absent | kept out of school | failed a course for credit |\n|---|---|---|---|\n"
    lines = [f"\n## By grade\n\n{head}"]
    for grade in GRADES[1:]:
        here = extract.of(pl.col("grade_level") == grade)
        failed = f"{100 * share(here, pl.col('failed') > 0):.1f} %" if int(grade.replace("K", "0")) >= 9 else "-"
        kept_out = 100 * share(here, pl.col("kept_out"))
        lines.append(f"| {grade} | {100 * chronic(here):.1f} % | {kept_out:.1f} % | {failed} |\n")
    return "".join(lines)


def measured_extract() -> Extract:
    """The district that the page measures, made anew."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "district"
        write_district(out, students=STUDENTS, districts=DISTRICTS, seed=SEED, format="parquet", dirt=False)
        return read_extract(out)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_page(measured_extract()), encoding="utf-8")
