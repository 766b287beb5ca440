"""The tables of a run: their keys, their schemas, and Parquet that is the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import dataframely as dy
import polars as pl

from cis_ews.errors import StorageError
from cis_ews.schema.coded import CodedTable
from cis_ews.schema.scores import Changes, Reasons, Rejections, RuleResults, Scores
from cis_ews.storage.files import sync
from cis_ews.wording import counted

ROW_GROUP_ROWS = 65_536
_FAULT = "this is a fault of whatever made the table"

SCHEMAS: Mapping[str, type[dy.Schema]] = {
    "scores": Scores,
    "reasons": Reasons,
    "rules": RuleResults,
    "rejections": Rejections,
    "changes": Changes,
}
SORT_KEYS: Mapping[str, tuple[str, ...]] = {
    "scores": ("student_id",),
    "reasons": ("student_id", "direction", "rank"),
    "rules": ("student_id", "rule"),
    "rejections": ("table", "file", "row_number", "rule", "column"),
    "indicators": ("student_id",),
    "contributions": ("student_id",),
    "changes": ("student_id",),
}


def checked(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The table with exactly the columns of its schema, every row valid; sorted by its key in one chunk."""
    schema, keys = SCHEMAS.get(name), SORT_KEYS[name]
    if not _stands_in_order(frame, keys):
        rows = _one_row_a_student(name, frame) if schema is None else _valid(name, frame, schema)
        return rows.sort(keys, nulls_last=False).rechunk()
    # Rows that each stand after the one before them are sorted, and no two of them have the same key.
    rows = frame if schema is None else _valid(name, frame, _without_key(schema))
    return rows.with_columns(pl.col(keys[0]).set_sorted()).rechunk()


def _stands_in_order(frame: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Whether each row stands after the one before it and differs from it; not known where a key is null or lacking."""
    if not set(keys) <= set(frame.columns) or frame.select(keys).null_count().sum_horizontal().item():
        return False
    stands_after = pl.lit(value=False)
    for key in reversed(keys):
        value, before = pl.col(key), pl.col(key).shift()
        stands_after = (value > before) | ((value == before) & stands_after)
    return bool(frame.select(stands_after.all()).item())


@cache
def _without_key(schema: type[dy.Schema]) -> type[dy.Schema]:
    """A schema that asks the same of each row, and nothing of two rows together."""
    columns = schema.columns()
    open_keys = {name: columns[name].with_primary_key(primary_key=False) for name in schema.primary_key()}
    return type(schema.__name__, (schema,), open_keys)


def _one_row_a_student(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    if "student_id" not in frame.columns or frame["student_id"].n_unique() != frame.height:
        raise StorageError(f"{name} cannot be stored: it has not one row a student", hint=_FAULT)
    return frame


def _valid(name: str, frame: pl.DataFrame, schema: type[dy.Schema]) -> pl.DataFrame:
    expected = SCHEMAS[name].create_empty().schema
    wrong = [column for column, kind in expected.items() if frame.schema.get(column) != kind]
    if wrong:
        raise StorageError(
            f"{name} cannot be stored: {counted(len(wrong), 'column is', 'columns are')} "
            f"missing or of another type ({', '.join(wrong)})",
            hint=_FAULT,
        )
    rows, failure = schema.filter(frame.select(expected.names()))
    if len(failure):
        rules = ", ".join(f"{rule}: {count}" for rule, count in sorted(failure.counts().items()))
        raise StorageError(
            f"{name} cannot be stored: {counted(len(failure), 'row breaks', 'rows break')} its contract ({rules})",
            hint=_FAULT,
            rules=failure.counts(),
        )
    return rows.select(expected.names())


def checked_codes(name: str, table: CodedTable) -> pl.DataFrame | CodedTable:
    """A coded table, of whose columns no rule speaks together, `checked`; decoded where it does not stand in order."""
    schema = SCHEMAS[name]
    frames = [*table.said.values(), table.rows.drop(table.said.keys())]
    said = {column.name: (column, code) for code, frame in table.said.items() for column in frame}
    keys = {
        key: _places(*said[key], table.rows) if key in said else table.rows.get_column(key) for key in SORT_KEYS[name]
    }
    is_valid = all(not len(_of_columns(schema, tuple(frame.columns)).filter(frame)[1]) for frame in frames)
    if is_valid and _stands_in_order(pl.DataFrame(keys), list(keys)):
        return table
    return checked(name, table.decoded())


def _places(values: pl.Series, code: str, rows: pl.DataFrame) -> pl.Series:
    """What tells the order of the values of each row; their codes where the values stand in order."""
    codes = rows.get_column(code)
    return codes if _stands_in_order(values.to_frame(), [values.name]) else values.rank("dense")[codes]


@cache
def _of_columns(schema: type[dy.Schema], names: tuple[str, ...]) -> type[dy.Schema]:
    """A schema that asks the same of each of these columns, and nothing of two rows together."""
    columns = schema.columns()
    open_keys = {name: columns[name].with_primary_key(primary_key=False) for name in names}
    return type(schema.__name__, (dy.Schema,), open_keys)


@dataclass(frozen=True, slots=True)
class TableParts:
    """A table in Arrow files, each `checked`, one after the other in the order of the key. What the codes of a coded
    one stand for lies beside it (`said_at`)."""

    paths: tuple[Path, ...]

    def lazy(self) -> pl.LazyFrame:
        """The rows of all files, decoded."""
        return pl.concat([_decoded(path) for path in self.paths])

    @property
    def height(self) -> int:
        """How many rows there are."""
        return int(pl.scan_ipc(list(self.paths), glob=False).select(pl.len()).collect().item())

    @property
    def cells(self) -> int:
        """Rows times columns: what writing it costs goes by that."""
        return self.height * len(self.lazy().collect_schema())


def said_at(path: Path, code: str) -> Path:
    """Where that lies which a code of the coded table at `path` stands for."""
    return path.with_suffix(f".{code}{path.suffix}")


def _decoded(path: Path) -> pl.LazyFrame:
    rows = pl.scan_ipc(path, glob=False)
    columns: list[pl.Expr] = []
    for name in rows.collect_schema():
        said = said_at(path, name)
        if said.exists():
            schema = pl.scan_ipc(said, glob=False).collect_schema()
            columns += [_decoding(said, name, column=column, dtype=dtype) for column, dtype in schema.items()]
        else:
            columns.append(pl.col(name))
    return rows.select(columns)


def _decoding(said: Path, code: str, *, column: str, dtype: pl.DataType) -> pl.Expr:
    """A column from its codes, of some rows at a time."""

    def decode(codes: pl.Series) -> pl.Series:
        found = said.stat()
        return _said(said, (found.st_ino, found.st_mtime_ns, found.st_size)).get_column(column)[codes]

    return pl.col(code).map_batches(decode, return_dtype=dtype, is_elementwise=True).alias(column)


@lru_cache(maxsize=4)
def _said(path: Path, stamp: tuple[int, int, int]) -> pl.DataFrame:  # noqa: ARG001 - see below
    """What codes stand for: of a few parts at a time, not of all that are written one after the other.

    `stamp`: of this file, and not of one that lay at the same path before; a new file may get the number of the old.
    """
    return pl.read_ipc(path)


def write_table(table: pl.DataFrame | TableParts, path: Path) -> None:
    """Write Parquet that depends on nothing but the rows, in whatever pieces they come; all that shapes the bytes is
    fixed here. Parts are never in memory at once."""
    table.lazy().sink_parquet(
        path,
        compression="zstd",
        compression_level=1,
        statistics=True,
        row_group_size=ROW_GROUP_ROWS,
        maintain_order=True,
    )
    sync(path)
