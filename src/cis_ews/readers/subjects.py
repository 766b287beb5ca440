"""The subject of a course: by its SCED code where the source has one, else by the words of its subjects and title.

SCED: School Courses for the Exchange of Data, National Center for Education Statistics; its first two digits are the
subject area: 01 English language and literature, 02 mathematics, 03 life and physical sciences, 04 social sciences.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from cis_ews.enums import Subject

SCED = {"01": Subject.ENGLISH, "02": Subject.MATH, "03": Subject.SCIENCE, "04": Subject.SOCIAL_STUDIES}
# In this order: "computer science" and "home economics" are none of the four, "social science" no science, "language
# arts" no art.
WORDS = (
    (r"computer|physical education|health|library|foreign|home ec|consumer science", Subject.OTHER),
    (r"social|history|geograph|civic|government|economic", Subject.SOCIAL_STUDIES),
    (r"english|language arts|\bela\b|reading|literature|writing", Subject.ENGLISH),
    (r"math|algebra|geometry|calculus|statistic|trigonometry", Subject.MATH),
    (r"science|biology|chemistry|physics", Subject.SCIENCE),
)


def subject_of(codes: Sequence[str], words: Sequence[str]) -> pl.Expr:
    """`subject` of a class, null where nothing says it. Code columns come first, then word columns, each in order."""
    sced = pl.coalesce(pl.col(column).str.extract(r"(?:^|,)\s*(\d{2})\d{3}\b") for column in codes)
    by_code = sced.replace_strict({code: str(subject) for code, subject in SCED.items()}, default=str(Subject.OTHER))
    return pl.coalesce(pl.when(sced.is_not_null()).then(by_code), *(_by_words(column) for column in words)).alias(
        "subject"
    )


def _by_words(column: str) -> pl.Expr:
    text = pl.col(column).str.to_lowercase()
    found = [pl.when(text.str.contains(pattern)).then(pl.lit(str(subject))) for pattern, subject in WORDS]
    return pl.coalesce(found)
