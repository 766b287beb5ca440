"""How well the values of a column fit a column of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import dataframely as dy
import polars as pl

from cis_ews.readers.survey.profile import Profile
from cis_ews.readers.survey.words import code_of
from cis_ews.schema.parsing import BOOLEANS
from cis_ews.schema.school_data import TABLES

MISFIT = -1.0
"""The values say that it is another column."""
FITS, MOST, UNLIKELY = 0.8, 0.9, 0.1
NEUTRAL = 0.5
CHILD_YEARS = 3.5
MOST_CREDITS = 100
KEYS = ("student_id", "school_id", "incident_id")
TICKS = frozenset(("x", "✓", "*"))


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the source beyond one column.

    `latest`: the last day that most of its columns of dates reach. `keys`: key -> table -> the
    file that is it, and its column that is the key.
    """

    latest: date | None = None
    keys: Mapping[str, Mapping[str, tuple[str, Profile]]] = field(
        default_factory=dict[str, "Mapping[str, tuple[str, Profile]]"]
    )

    def joins(self, key: str, profile: Profile, *, file: str, table: str) -> tuple[float, float] | None:
        """The share of values that the same key has in the file of another table, of the one that has most: as they
        are written, and without case and leading zeros. None without any."""
        known = self.keys.get(key, {}).items()
        others = [each for named, (name, each) in known if name != file and named != table and each.hashes]
        if not others or not profile.hashes:
            return None
        written = max(_common(profile.hashes, each.hashes) for each in others)
        return written, max(written, *(_common(profile.alike, each.alike) for each in others))


def _common(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / min(len(one), len(other))


@cache
def columns_of(table: str) -> Mapping[str, dy.Column]:
    """The columns of a table of the contract: dataframely makes them anew each time."""
    return TABLES[table].columns()


def fit(table: str, column: str, profile: Profile, *, around: Around) -> float | None:
    """0 to 1, MISFIT where the values say no, None where there are none."""
    if not profile.count:
        return None
    if column == "term" or (column, table) in _BY_COLUMN_AND_TABLE:
        return _words(profile, most=40)
    if column in _WHEN:
        return _WHEN[column](profile, around)
    if column in _BY_COLUMN:
        return _BY_COLUMN[column](profile)
    return _by_kind(columns_of(table)[column], column, profile)


_BY_COLUMN_AND_TABLE = {("behavior", "incidents"), ("category", "supports"), ("provider", "supports")}


def _by_kind(column: dy.Column, name: str, profile: Profile) -> float:
    dtype = column.dtype
    if isinstance(dtype, pl.Enum):
        return _code(name, profile)
    if dtype == pl.Boolean:
        return _truth(name, profile)
    if dtype == pl.Date:
        return _date(profile)
    if dtype.is_numeric():
        return _number(column, profile, whole=dtype.is_integer())
    if name.endswith("_id"):
        return _id(profile)
    return NEUTRAL


def _code(column: str, profile: Profile) -> float:
    if not profile.codes:
        return MISFIT
    known = sum(rows for code, rows in profile.codes.items() if code_of(column, code)) / sum(profile.codes.values())
    return known if known >= NEUTRAL else MISFIT


def is_ticked(profile: Profile) -> bool:
    """Whether a column holds ticks alone."""
    return bool(profile.codes) and {code.lower() for code in profile.codes} <= TICKS


def _truth(column: str, profile: Profile) -> float:
    if profile.truths >= MOST or is_ticked(profile):
        return 1.0
    return _code(column, profile)


def _date(profile: Profile) -> float:
    share = 1.0 if profile.besides else max(profile.dates.values(), default=0.0)
    return share if share >= FITS else MISFIT


def _number(column: dy.Column, profile: Profile, *, whole: bool) -> float:
    if profile.numbers < MOST or (whole and profile.whole < MOST):
        return MISFIT
    least, most = getattr(column, "min", None), getattr(column, "max", None)
    inside = least is None or most is None or (profile.lowest >= least and profile.highest <= most)
    return 1.0 if inside else MISFIT


def _id(profile: Profile) -> float:
    is_fraction = profile.numbers >= MOST and profile.whole < MOST
    if max(profile.dates.values(), default=0) >= FITS or is_fraction or profile.longest > 64:
        return MISFIT
    return FITS if profile.filled >= MOST else 0.2


def _born(profile: Profile, around: Around) -> float:
    """A birth date lies years before what the records speak of."""
    shares = _date(profile)
    if shares < 0 or not profile.middle or not around.latest:
        return shares
    return shares if (around.latest - profile.middle).days >= CHILD_YEARS * 365 else UNLIKELY


def _happened(profile: Profile, around: Around) -> float:
    shares = _date(profile)
    if shares < 0 or not profile.middle or not around.latest:
        return shares
    return shares if (around.latest - profile.middle).days < 2 * CHILD_YEARS * 365 else UNLIKELY


def _name(profile: Profile) -> float:
    if profile.letters < FITS or (profile.count >= 20 and profile.distinct < 4):
        return MISFIT
    return 0.8


def _year(profile: Profile) -> float:
    return 1.0 if profile.years >= MOST else MISFIT


def _gender(profile: Profile) -> float:
    return _words(profile, most=8)


def _race(profile: Profile) -> float:
    return _words(profile, most=30)


def _mark(profile: Profile) -> float:
    if max(profile.dates.values(), default=0) >= FITS or profile.longest > 12 or profile.distinct > 60:
        return MISFIT
    return 1.0 if profile.letters >= NEUTRAL else 0.6


def _percent(profile: Profile) -> float:
    if profile.numbers < MOST or profile.lowest < 0 or profile.highest > 120:
        return MISFIT
    return 1.0 if profile.highest > 5 else 0.1


def _fraction(profile: Profile) -> float:
    return 1.0 if profile.numbers >= MOST and profile.lowest >= 0 and profile.highest <= 1 else MISFIT


def _credits(profile: Profile) -> float:
    """In whatever units: a factor can be given."""
    return 1.0 if profile.numbers >= MOST and profile.lowest >= 0 and profile.highest <= MOST_CREDITS else MISFIT


def _words(profile: Profile, *, most: int) -> float:
    if profile.distinct > most or max(profile.dates.values(), default=0) >= FITS:
        return MISFIT
    return 0.7


_WHEN: Mapping[str, Callable[[Profile, Around], float]] = {
    "birth_date": _born,
    **dict.fromkeys(("entry_date", "exit_date", "date", "start_date", "graded_on", "reported_through"), _happened),
}
_BY_COLUMN: Mapping[str, Callable[[Profile], float]] = {
    **dict.fromkeys(KEYS, _id),
    "first_name": _name,
    "last_name": _name,
    "school_year": _year,
    "gender": _gender,
    "race_ethnicity": _race,
    "mark": _mark,
    "percent": _percent,
    "fraction_absent": _fraction,
    **dict.fromkeys(("credits_attempted", "credits_earned"), _credits),
}


def translated(column: str, profile: Profile) -> dict[str, str]:
    """Each code of a column that is known here -> its meaning."""
    pairs = ((code, code_of(column, code)) for code in profile.codes)
    return {code: meaning for code, meaning in pairs if meaning}


def is_plain_truth(profile: Profile) -> bool:
    """Whether every value is a word for true or false that the contract reads."""
    return all(code.lower() in BOOLEANS for code in profile.codes) and bool(profile.codes)


def unknown_codes(column: str, profile: Profile) -> dict[str, int]:
    """The codes of a column that nothing here knows, with their rows."""
    return {code: rows for code, rows in profile.codes.items() if not code_of(column, code)}
