"""What is kept of an extract, so that the next one can be held against it: counts and codes, nothing of a student.

A JSON file with a seal, the hash of the rest: a file that was damaged, or edited, is noticed. The same extract makes
the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.checking.counting import ColumnCodes
from cis_ews.checking.reading import CheckedSource
from cis_ews.errors import StorageError
from cis_ews.schema.refusals import rejected_rows
from cis_ews.schema.school_data import SourceFile
from cis_ews.storage.files import disk_errors, json_bytes
from cis_ews.storage.manifest import sealed
from cis_ews.storage.runs import Run

FORMAT = 1
PLAIN = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is kept.

    `extract`: SHA-256 of what the files hold. `layout`: the format that it was read by. `through`: the last day that
    any school reported, ISO. `names`: school -> name. `tables`: table -> rows read and rejected. `schools`: school ->
    table -> rows read. `filled`: table -> column -> filled cells. `kept`: table -> rows kept. `codes`: `table.column`
    -> code -> rows, of those that may be shown; `hidden`: `table.column` -> how many others. The last five are empty
    where it was made of a run, which keeps no more than the others.
    """

    extract: str
    layout: str
    through: str | None
    names: Mapping[str, str | None]
    tables: Mapping[str, Mapping[str, int]]
    schools: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    kept: Mapping[str, int] = field(default_factory=dict[str, int])
    filled: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    codes: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    hidden: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def is_of_run(self) -> bool:
        """Whether it was made of a run, and says less."""
        return not self.kept

    def is_about(self, other: Summary) -> bool:
        """Whether both are extracts of one source: read alike, with a school in common."""
        return self.layout == other.layout and not set(self.names).isdisjoint(other.names)

    def to_bytes(self) -> bytes:
        """As a file."""
        return json_bytes(sealed({"format": FORMAT, **asdict(self)}))


def summary_of(source: CheckedSource, codes: Mapping[str, ColumnCodes], *, layout: str) -> Summary:
    """What to keep of a source. `codes`: all of its, by column."""
    through = max(source.coverage.last_reported.values(), default=None)
    lost = rejected_rows(source.rejections)
    return Summary(
        extract=digest_of(source.files),
        layout=Path(layout).name,
        through=None if through is None else through.isoformat(),
        names=dict(source.schools.select("school_id", "name").sort("school_id").iter_rows()),
        tables={
            table: {"read": read, "rejected": lost.get(table, 0)} for table, read in sorted(source.rows_read.items())
        },
        schools=_rows_by_school(source.counts.rows),
        kept={table: source.counts.kept(table) for table in sorted(source.rows_read)},
        filled=_filled(source),
        codes={place: column.shown for place, column in codes.items()},
        hidden={place: column.hidden for place, column in codes.items()},
    )


def digest_of(files: Iterable[SourceFile]) -> str:
    """One hash of what the files of an extract hold, whatever folder they lie in."""
    said = sorted([file.table, file.name, file.sha256] for file in files)
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


def _rows_by_school(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    known = rows.filter(pl.col("school_id").is_not_null()).sort("school_id", "table")
    for school, table, read in known.select("school_id", "table", "read").iter_rows():
        found.setdefault(school, {})[table] = read
    return found


def _filled(source: CheckedSource) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for table, column, rows in source.counts.filled.select("table", "column", "rows").iter_rows():
        if table in source.rows_read:
            found.setdefault(table, {})[column] = rows
    return found


def read_summary(path: Path) -> Summary:
    """A kept summary. Raises StorageError where it is damaged, or of another version."""
    with disk_errors(path, "read"):
        content = path.read_bytes()
    try:
        said: dict[str, Any] = json.loads(content)
        if said["format"] == FORMAT and sealed(said) == said:
            return Summary(**{name: value for name, value in said.items() if name not in ("format", "seal")})
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise StorageError(
        f"{path} is damaged, or of another version of cis_ews", hint="remove it, or restore it from a copy"
    )


def summary_of_run(run: Run, *, layout: str) -> Summary:
    """What a run says of its extract: rows of its tables, its schools, and the last reported day."""
    coverage = run.statement("coverage")
    read: dict[str, int] = {}
    # In other formats a file is no table.
    for file in run.manifest["inputs"] if layout == PLAIN else ():
        read[file["table"]] = read.get(file["table"], 0) + file["rows"]
    lost = rejected_rows(run.table("rejections")) if run.has("rejections") else {}
    days = [date.fromisoformat(day).isoformat() for day in coverage["last_reported"].values()]
    return Summary(
        extract=digest_of(SourceFile(**file) for file in run.manifest["inputs"]),
        layout=Path(layout).name,
        through=max(days, default=None),
        names={school: said["name"] for school, said in coverage["schools"].items()},
        tables={table: {"read": rows, "rejected": lost.get(table, 0)} for table, rows in sorted(read.items()) if rows},
    )
