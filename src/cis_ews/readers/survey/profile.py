"""What the values of a column are like: counts, ranges and hashes; of the values themselves those of a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from cis_ews.readers.survey.words import speaks
from cis_ews.schema.parsing import BOOLEANS, EARLIEST_DATE, LATEST_DATE

DATE_FORMATS = (
    *("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d"),
    *(
        "%m/%d/%y",
        "%d/%m/%y",
        "%m-%d-%y",
        "%d-%m-%y",
        "%d-%b-%Y",
        "%d-%b-%y",
        "%d %b %Y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%d %B %Y",
    ),
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p"),
)
"""Tried in this order; where month and day can be told either way, the American one comes first."""
DAY_FIRST: Mapping[str, str] = {
    each: each.replace("%m", "%_").replace("%d", "%m").replace("%_", "%d")
    for each in DATE_FORMATS
    if each.startswith(("%m/%d", "%m-%d"))
}
"""A format with the month first -> the same with the day first."""
MOST_CODES = 60
MOST_HASHES = 20_000
LONGEST_CODE = 40
STRAY = 0.02
FRIDAY = 5
DATED = r"^(?:19|20)\d{6}$|\d[-/. ,]+\w+[-/. ,]+\d"
FIRST_TEXTS = 50
MOSTLY, SEVERAL = 0.8, 3
YEAR = r"^(?:19|20)\d{2}$"
SPAN = r"^(?:19|20)?\d{2}\s*[-/–]\s*(?:19|20)?\d{2}$"  # 2025-26, 2025-2026


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One column of a sampled file.

    `filled`: share of rows with a value. `distinct`: different values. `dates`: format -> share of the filled cells
    that it reads, where that is most; `besides`: the one that reads what these do not. `earliest`, `latest`, `middle`:
    of these dates, by the first such format. `weekend`: share of them on Saturdays and Sundays, by format. `numbers`,
    `whole`, `truths`, `years`, `letters`: share of the filled cells that are numbers, whole ones, words for true and
    false, years or pairs of years, letters without digits. `lowest`, `highest`: of most numbers. `codes`: value ->
    rows, where there are few, and each is short. `hashes`: of its values;
    `alike`: of them without case and leading zeros.
    """

    heading: str
    place: int
    rows: int
    filled: float
    distinct: int
    dates: Mapping[str, float] = field(default_factory=dict[str, float])
    besides: str | None = None
    weekend: Mapping[str, float] = field(default_factory=dict[str, float])
    earliest: date | None = None
    latest: date | None = None
    middle: date | None = None
    numbers: float = 0.0
    whole: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    truths: float = 0.0
    years: float = 0.0
    letters: float = 0.0
    longest: int = 0
    codes: Mapping[str, int] = field(default_factory=dict[str, int])
    hashes: frozenset[int] = frozenset()
    alike: frozenset[int] = frozenset()

    @property
    def count(self) -> int:
        """Filled cells."""
        return round(self.rows * self.filled)

    @property
    def unique(self) -> float:
        """Different values to filled cells: 1 where no value is there twice."""
        return self.distinct / self.count if self.count else 0.0

    @property
    def is_shown(self) -> bool:
        """Whether its heading may be shown."""
        return speaks(self.heading)


def profile_of(heading: str, place: int, cells: pl.Series) -> Profile:
    """The profile of one column. `cells`: text, null where empty."""
    filled = cells.drop_nulls()
    if filled.is_empty():
        return Profile(heading=heading, place=place, rows=len(cells), filled=0.0, distinct=0)
    counts = filled.value_counts(sort=True, name="rows")
    texts = counts[cells.name]
    dates, days = _dates(counts, cells.name)
    besides = _besides(counts, cells.name, next(iter(dates))) if dates else None
    first = next((day.sort() for day in days.values()), None)
    numbers = _numbers(counts, cells.name)
    longest = int(str(texts.str.len_chars().max()))
    is_code = len(texts) <= MOST_CODES and longest <= LONGEST_CODE
    return Profile(
        heading=heading,
        place=place,
        rows=len(cells),
        filled=len(filled) / len(cells),
        distinct=len(texts),
        dates=dates,
        besides=besides,
        weekend={each: _weekend(day) for each, day in days.items()},
        earliest=first[0] if first is not None else None,
        latest=first[-1] if first is not None else None,
        middle=first[len(first) // 2] if first is not None else None,
        numbers=numbers.share,
        whole=numbers.whole,
        lowest=numbers.lowest,
        highest=numbers.highest,
        truths=_share(counts, texts.str.to_lowercase().is_in(list(BOOLEANS))),
        years=_share(counts, texts.str.contains(YEAR) | texts.str.contains(SPAN)),
        letters=_share(counts, texts.str.contains(r"\p{L}") & ~texts.str.contains(r"\d")),
        longest=longest,
        codes=dict(counts.iter_rows()) if is_code else {},
        hashes=_hashes(texts),
        alike=_hashes(texts.str.to_lowercase().str.strip_chars_start("0")),
    )


def _hashes(texts: pl.Series) -> frozenset[int]:
    return frozenset(texts.head(MOST_HASHES).hash(seed=7).to_list())


def _share(counts: pl.DataFrame, holds: pl.Series) -> float:
    return int(counts["rows"].filter(holds.fill_null(value=False)).sum()) / int(counts["rows"].sum())


def _dates(counts: pl.DataFrame, name: str) -> tuple[dict[str, float], dict[str, pl.Series]]:
    """The formats that read most of the cells, each with the share that it reads and the days that it reads."""
    texts = counts[name]
    shares, days = dict[str, float](), dict[str, pl.Series]()
    if _share(counts, texts.str.contains(DATED)) < 0.5:
        return shares, days
    first = texts.head(FIRST_TEXTS)
    for each in (one for one in DATE_FORMATS if _read(first, one)[1].any()):
        day, good = _read(texts, each)
        share = _share(counts, good)
        if share >= 0.5:
            shares[each] = share
            days[each] = day.filter(good)
    best = max(shares.values(), default=0.0)
    kept = {each: share for each, share in shares.items() if share >= best - 0.02}
    return kept, {each: days[each] for each in kept}


def _besides(counts: pl.DataFrame, name: str, first: str) -> str | None:
    """The format of what the first one does not read, where a column or its files are written in two."""
    rest = counts.filter(~_read(counts[name], first)[1])
    shares = {each: _share(rest, _read(rest[name], each)[1]) for each in DATE_FORMATS} if rest.height else {}
    best = max(shares, key=lambda each: shares[each], default=None)
    return best if best and shares[best] >= MOSTLY and int(rest["rows"].sum()) >= SEVERAL else None


def _read(texts: pl.Series, each: str) -> tuple[pl.Series, pl.Series]:
    """The days of a format, and which texts are one."""
    day = texts.str.to_date(each, strict=False)
    return day, (day.is_between(EARLIEST_DATE, LATEST_DATE) & _is_written(texts, each)).fill_null(value=False)


def _is_written(texts: pl.Series, each: str) -> pl.Series:
    """Whether a text is as long as the format says: eight digits are a date, and an id of nine is none."""
    if each == "%Y%m%d":
        return texts.str.contains(r"^(?:19|20)\d{6}$")
    has_long_year = texts.str.contains(r"\d{4}")
    return has_long_year if "%Y" in each else ~has_long_year


def _weekend(days: pl.Series) -> float:
    return int((days.dt.weekday() > FRIDAY).sum()) / len(days)


@dataclass(frozen=True, slots=True)
class _Numbers:
    share: float = 0.0
    whole: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0


def _numbers(counts: pl.DataFrame, name: str) -> _Numbers:
    """What the numbers of a column are like; a cell in fifty may be a mistake, and is rejected as one later."""
    number = counts[name].cast(pl.Float64, strict=False)
    is_number = number.is_finite().fill_null(value=False)
    ordered = pl.DataFrame({"number": number, "rows": counts["rows"]}).filter(is_number).sort("number")
    if ordered.is_empty():
        return _Numbers()
    below = ordered["rows"].cum_sum() / int(ordered["rows"].sum())
    inside = ordered["number"].filter((below > STRAY) & (below.shift(1, fill_value=0.0) < 1 - STRAY))
    whole = is_number & (number == number.floor())
    return _Numbers(_share(counts, is_number), _share(counts, whole), float(inside[0]), float(inside[-1]))
