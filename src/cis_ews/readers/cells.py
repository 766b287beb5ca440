"""Cells as they are written by others: dates, booleans and words in other forms, each counted."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from cis_ews.readers.ledger import Ledger
from cis_ews.schema.parsing import BOOLEANS, DATE_FORMAT, EARLIEST_DATE
from cis_ews.wording import counted

# Month before day, as American systems write it: a day above 12 in the first place is no date then, and is rejected.
OTHER_DATES = ("%m/%d/%Y", "%Y/%m/%d", "%Y%m%d", "%m-%d-%Y")
DATE_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Spellings:
    """The texts of a column, to be looked at once each where the column holds categories.

    `texts`: of a column of text its cells, of one of categories a text for each code. `codes`: of the cells, or None.
    """

    texts: pl.Series
    codes: pl.Series | None = None

    @classmethod
    def of(cls, cells: pl.Series) -> Spellings:
        """Those of a column of text or of categories."""
        if not isinstance(cells.dtype, pl.Categorical):
            return cls(cells)
        codes = cells.to_physical()
        if codes.null_count() == len(codes):
            return cls(pl.Series([], dtype=pl.String), codes)
        first = codes.arg_unique()
        first = first.filter(codes.gather(first).is_not_null())  # where each text stands first
        found = codes.gather(first)
        # By code, and anything for codes that are only elsewhere, as that of the heading is.
        most = int(found.max() or 0)  # pyright: ignore[reportArgumentType] - a whole number
        by_code = pl.repeat(0, most + 1, dtype=pl.UInt32, eager=True).scatter(found, first)
        return cls(cells.gather(by_code).cast(pl.String), codes)

    def spread(self, values: pl.Series) -> pl.Series:
        """What was found of the texts, for every cell; null where a cell of categories is null."""
        return values if self.codes is None else values.gather(self.codes)


def surely_filled(cells: pl.Series) -> bool:
    """Whether every cell is a text of more than blanks, told from the least and the greatest of them alone.

    Quick; no answer where it is false: a text may begin with a blank, or with what is no ASCII.
    """
    if cells.dtype != pl.String or cells.null_count():
        return False
    least, greatest = cells.min(), cells.max()
    return isinstance(least, str) and isinstance(greatest, str) and least >= "!" and greatest < "\x7f"


def dates(rows: pl.DataFrame, file: str, columns: tuple[str, ...], *, table: str, ledger: Ledger) -> pl.DataFrame:
    """The rows with these columns as dates. A row with a cell that is no date is rejected from its table."""
    for column in columns:
        each, text, day = _read_dates(rows[column], file, ledger)
        rows = rows.with_columns(each.spread(day).alias(column))
        is_bad = day.is_null() & text.is_not_null()
        if is_bad.any():
            rows = rows.with_columns(each.spread(is_bad).fill_null(value=False).alias("_bad"))
            rows = ledger.keep(rows, ~pl.col("_bad"), table=table, rule="unreadable_date", column=column).drop("_bad")
    return rows


def iso_dates(rows: pl.DataFrame, file: str, columns: tuple[str, ...], *, ledger: Ledger) -> pl.DataFrame:
    """The rows with these columns written 2026-02-27; a cell that is no date stays, for the contract to reject."""
    for column in columns:
        each, text, day = _read_dates(rows[column], file, ledger)
        written = pl.select(pl.coalesce(day.dt.to_string(DATE_FORMAT), text)).to_series()
        rows = rows.with_columns(each.spread(written).alias(column))
    return rows


def _read_dates(cells: pl.Series, file: str, ledger: Ledger) -> tuple[Spellings, pl.Series, pl.Series]:
    """The texts, those without spaces, null where empty, and their dates, null where they are none."""
    each = Spellings.of(cells)
    text = each.texts.str.strip_chars()
    text = text.set(text == "", None)
    day = _plausible(text.str.to_date(DATE_FORMAT, strict=False))
    if day.null_count() == text.null_count():
        return each, text, day
    other = _other_dates(text)
    more = _more(each.spread(other), each.spread(day))
    ledger.note(
        f"{file}: {cells.name}: {counted(more, 'cell was', 'cells were')} "
        "read as dates in another form than 2026-02-27, "
        "the month before the day",
        more,
    )
    return each, text, other


def _other_dates(text: pl.Series) -> pl.Series:
    with_time = text.str.contains(r"^\d{4}-\d{2}-\d{2}[T ]")
    cut = pl.select(pl.when(with_time).then(text.str.head(DATE_LENGTH)).otherwise(text)).to_series()
    forms = [_plausible(cut.str.to_date(each, strict=False)) for each in (DATE_FORMAT, *OTHER_DATES)]
    return pl.select(pl.coalesce(*forms)).to_series()


def _plausible(days: pl.Series) -> pl.Series:
    """The days without those of a year that is written with two digits, `1/05/23`: which century it is nobody says."""
    return days.set(days < EARLIEST_DATE, None)


def moments(text: pl.Series) -> pl.Series:
    """Dates and times of ISO 8601 as moments, whatever zone and however many digits they are written in; null where a
    cell says none. Without a zone a time is taken for UTC, without a time for the beginning of the day."""
    parts = pl.select(
        day=text.str.extract(r"^\s*(\d{4}-\d{2}-\d{2})"),
        time=text.str.extract(r"[T ](\d{2}:\d{2}(?::\d{2})?)").fill_null("00:00"),
        fraction=text.str.extract(r":\d{2}[.,](\d{1,6})").fill_null("0"),
        zone=text.str.extract(r":\d{2}(?:[.,]\d+)?\s*([+-]\d{2}:?\d{2})\s*$").str.replace(":", "").fill_null("+0000"),
    )
    minutes = pl.col("zone").str.slice(1, 2).cast(pl.Int64) * 60 + pl.col("zone").str.slice(3, 2).cast(pl.Int64)
    ahead = pl.when(pl.col("zone").str.starts_with("-")).then(-minutes).otherwise(minutes)
    seconds = pl.when(pl.col("time").str.len_chars() == 5).then(pl.lit(":00")).otherwise(pl.lit(""))
    said = pl.col("day") + "T" + pl.col("time") + seconds
    moment = said.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    micro = pl.col("fraction").str.pad_end(6, "0").cast(pl.Int64)
    return parts.select(moment + pl.duration(microseconds=micro) - pl.duration(minutes=ahead)).to_series()


def _more(after: pl.Series, before: pl.Series) -> int:
    return before.null_count() - after.null_count()


def truths(rows: pl.DataFrame, file: str, columns: tuple[str, ...], *, ledger: Ledger) -> pl.DataFrame:
    """The rows with these columns as booleans; a word for neither is taken as not said, and counted."""
    return rows.with_columns(_truth(rows[column], file, ledger).alias(column) for column in columns)


def _truth(cells: pl.Series, file: str, ledger: Ledger) -> pl.Series:
    each = Spellings.of(cells)
    words = each.texts.unique().drop_nulls()
    if words.is_in(["true", "false"]).all():
        nothing = pl.repeat(None, len(cells), dtype=pl.Boolean, eager=True)
        return each.spread(each.texts == "true") if len(words) else nothing
    lowered = each.texts.str.strip_chars().str.to_lowercase()
    truth = lowered.replace_strict(dict(BOOLEANS), default=None, return_dtype=pl.Boolean)
    other = int(each.spread(truth.is_not_null() & ~each.texts.is_in(["true", "false"])).sum())
    ledger.note(
        f"{file}: {cells.name}: {counted(other, 'cell says', 'cells say')} true or false in another form", other
    )
    neither = int(each.spread(truth.is_null() & (lowered.fill_null("") != "")).sum())
    ledger.note(
        f"{file}: {cells.name}: {counted(neither, 'cell says', 'cells say')} neither true nor false; taken as not said",
        neither,
    )
    return each.spread(truth)


def plain(heading: str) -> str:
    """A heading without case, spaces and punctuation."""
    return re.sub(r"[^a-z0-9]", "", heading.casefold())


def word(column: str) -> pl.Expr:
    """A word of a vocabulary without case, spaces and punctuation: `fully graded`, `FullyGraded`."""
    return pl.col(column).map_batches(_words, return_dtype=pl.String, is_elementwise=True)


def _words(cells: pl.Series) -> pl.Series:
    if isinstance(cells.dtype, pl.Categorical):
        each = Spellings.of(cells)
        return each.spread(words_of(each.texts))
    # Each spelling once: there are few, and millions of cells.
    written = cells.unique().drop_nulls()
    return cells.replace_strict(written, words_of(written), default=None, return_dtype=pl.String)


def words_of(texts: pl.Series) -> pl.Series:
    """Texts as words of a vocabulary, as `word` has them."""
    return texts.str.to_lowercase().str.replace_all(r"[^a-z0-9]", "")


def first_of_list(column: str) -> pl.Expr:
    """The first of a comma-separated list."""
    first = pl.col(column).str.split(",").list.first().str.strip_chars()
    return pl.when(first != "").then(first)


def first_filled(*columns: str | pl.Expr) -> pl.Expr:
    """The first of these cells that is not empty."""
    cells = [pl.col(each) if isinstance(each, str) else each for each in columns]
    return pl.coalesce(pl.when(cell.str.strip_chars() != "").then(cell) for cell in cells)
