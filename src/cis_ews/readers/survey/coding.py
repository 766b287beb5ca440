"""A source's codes and years beside the words of the contract: which may be written, and what they mean.

What may be shown of a column is decided where unmapped codes are told (`cis_ews.readers.codes`): a code that is not
known here is written only if its column behaves like a vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from cis_ews.readers.codes import Plain, unmapped_codes
from cis_ews.readers.survey.findings import Codes
from cis_ews.readers.survey.profile import SPAN, Profile
from cis_ews.readers.survey.values import TICKS, columns_of, is_plain_truth, translated
from cis_ews.readers.survey.words import is_unsure, lexicon
from cis_ews.schema.parsing import BOOLEANS

SAME = 0.98  # what is not in the vocabulary is then a mistake in a cell, and is rejected as one
CORE = ("english", "math", "science", "social_studies")
FREE = "F"  # of a lunch, and a word for false
FULL = len("2025")
FIRST_OF_1900S = 70  # of two digits: as in the dates that polars reads


def codes_of(table: str, column: str, profile: Profile, *, cells: pl.DataFrame) -> Codes | None:
    """The codes of a mapped column; None where its cells are the words of the contract. `cells`: `code`, `student`,
    null where it is not known."""
    dtype = columns_of(table)[column].dtype
    if isinstance(dtype, pl.Enum):
        allowed = {str(each) for each in dtype.categories}
        same = sum(rows for code, rows in profile.codes.items() if code in allowed)
        return (
            None
            if same >= SAME * sum(profile.codes.values())
            else _codes(column, dict(translated(column, profile)), cells)
        )
    if dtype == pl.Boolean:
        return _truths(column, profile, cells)
    return None


def _truths(column: str, profile: Profile, cells: pl.DataFrame) -> Codes | None:
    is_lunch = column == "low_income" and FREE in {code.upper() for code in profile.codes}
    if is_plain_truth(profile) and not is_lunch:
        return None
    if column in lexicon().codes:
        known = {code: word == "true" for code, word in translated(column, profile).items()}
    else:
        words = {**dict.fromkeys(TICKS, True), **BOOLEANS}
        known = {code: words[code.lower()] for code in profile.codes if code.lower() in words}
    return _codes(column, dict(known), cells)


def _codes(column: str, known: Mapping[str, Plain], cells: pl.DataFrame) -> Codes:
    others = unmapped_codes(column, cells, dict.fromkeys(known, ""))
    shown = dict(sorted(others.shown.items())) if others and cells["student"].count() else {}
    return Codes(
        known=dict(sorted(known.items())),
        open=shown,
        hidden=others.hidden_codes + len(others.shown) - len(shown) if others else 0,
        questions={
            code: f"says less than the contract asks: {known[code]}, or another of its words?"
            for code in sorted(known)
            if is_unsure(column, code)
        },
    )


def fractions_of(status: Mapping[str, Plain]) -> dict[str, Plain]:
    """The part of a day that each code of a status says was missed."""
    return {code: lexicon().fractions[str(meaning)] for code, meaning in status.items()}


def cores_of(subject: Mapping[str, Plain]) -> dict[str, Plain]:
    """Whether each code of a subject is a core one: English, mathematics, science, social studies."""
    return {code: meaning in CORE for code, meaning in subject.items()}


def has_spans(profile: Profile) -> bool:
    """Whether some of its values are written as pairs of years are."""
    return any(re.fullmatch(SPAN, code, re.ASCII) for code in profile.codes)


def year_ends(profile: Profile) -> dict[str, Plain]:
    """Each pair of a year and the next (2025-26) -> the one in which the school year ends. Other pairs are none."""
    ends = {code: _year_end(code) for code in sorted(profile.codes)}
    return {code: end for code, end in ends.items() if end is not None}


def _year_end(code: str) -> int | None:
    if not re.fullmatch(SPAN, code, re.ASCII):
        return None
    start, end = re.findall(r"\d+", code)
    if FULL in (len(start), len(end)):
        year = int(end) if len(end) == FULL else int(start) + 1
    else:
        year = int(end) + (1900 if int(end) >= FIRST_OF_1900S else 2000)
    return year if str(year - 1).endswith(start) and str(year).endswith(end) else None
