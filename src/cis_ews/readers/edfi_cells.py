"""Cells of Ed-Fi records: codes of descriptors, references by id, school years."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from cis_ews.readers.codes import UnmappedCodes, refuse_unmapped, unmapped_codes
from cis_ews.readers.edfi_config import NOT_USED, PAGE, Crosswalks
from cis_ews.readers.edfi_records import REFERRED, SAYS_REF
from cis_ews.readers.ledger import Ledger

KEY = "__key"


@dataclass(slots=True)
class Descriptors:
    """Turns codes into words of the contract and remembers those that nobody mapped."""

    crosswalks: Crosswalks
    unmapped: list[UnmappedCodes] = field(default_factory=list[UnmappedCodes])

    def word(self, rows: pl.DataFrame, column: str, *, kind: str) -> pl.Series:
        """The words of a column of descriptors; null where there is none, or its code is not used."""
        codes = {code.casefold(): str(word) for code, word in self.crosswalks.of(kind).items()}
        said = code_of(rows[column])
        known = said.str.to_lowercase().replace_strict(codes, default=None, return_dtype=pl.String)
        if known.null_count() > said.null_count():
            who = rows["student_id"] if "student_id" in rows.columns else rows["row_number"].cast(pl.String)
            cells = pl.DataFrame({"code": said, "student": who})
            is_known = dict.fromkeys(said.filter(known.is_not_null()).unique(), "")
            found = unmapped_codes(f"{kind} ({column})", cells, is_known)
            self.unmapped += [found] if found else []
        return known.set(known == NOT_USED, None).alias(column)

    def refuse(self) -> None:
        """Stop with every code that no crosswalk knows. Raises UnmappedCodesError."""
        refuse_unmapped(
            self.unmapped, who="no crosswalk", hint=f"add them under [crosswalks] of a TOML for the reader; see {PAGE}"
        )


def code_of(cells: pl.Series) -> pl.Series:
    """The code of a descriptor: what stands behind the last `#` of `uri://...#Code`, or the whole text."""
    return cells.str.split("#").list.last().str.strip_chars()


def resolved(rows: pl.DataFrame, column: str, others: pl.DataFrame, *, value: str) -> pl.DataFrame:
    """The rows with each reference `ref:...` of a column replaced by `value` of the record of that id; null if none."""
    refers = rows[column].str.starts_with(SAYS_REF).fill_null(value=False)
    if not refers.any():
        return rows
    ids = others.filter(pl.col(REFERRED).is_not_null()).unique(REFERRED, keep="first", maintain_order=True)
    known = ids.select((pl.lit(SAYS_REF) + pl.col(REFERRED)).alias(KEY), pl.col(value).alias(f"__{value}"))
    found = rows.join(known, left_on=column, right_on=KEY, how="left", maintain_order="left").get_column(f"__{value}")
    return rows.with_columns(pl.when(refers).then(found).otherwise(pl.col(column)).alias(column))


def with_incident(rows: pl.DataFrame, incidents: pl.DataFrame) -> pl.DataFrame:
    """The rows with the references to incidents resolved, to their school too."""
    of_school = resolved(rows.with_columns(pl.col("incident").alias("__of")), "__of", incidents, value="school_id")
    refers = rows["incident"].str.starts_with("ref:").fill_null(value=False)
    school = pl.when(refers).then(of_school["__of"]).otherwise(pl.col("school_id"))
    return resolved(rows.with_columns(school.alias("school_id")), "incident", incidents, value="incident")


def school_year(column: str) -> pl.Expr:
    """The year in which a school year ends: `2021-2022`, or `2022`."""
    return pl.col(column).str.extract(r"(\d{4})\s*$").cast(pl.Int16, strict=False)


def number(column: str) -> pl.Expr:
    """A cell as a number, null where it is none."""
    return pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)


def keep_readable(rows: pl.DataFrame, column: str, *, table: str, ledger: Ledger) -> pl.DataFrame:
    """The rows whose cell is a number or empty, as Float64; the others are rejected."""
    filled = pl.col(column).str.strip_chars().fill_null("") != ""
    rows = ledger.keep(
        rows, ~filled | number(column).is_not_null(), table=table, rule="unreadable_number", column=column
    )
    return rows.with_columns(number(column).alias(column))
