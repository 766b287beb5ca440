"""Records of Ed-Fi's API as JSON lines, one file or more a resource, as rows of the records that bulk XML has too.

`cis-ews fetch edfi` leaves such a folder, with a manifest; another tool may have downloaded one, without. The name of a
file, or of its folder, begins with that of its resource. A file is read a piece at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.readers.edfi_records import RECORDS, REFERRED
from cis_ews.readers.edfi_resources import RESOURCES, Resource
from cis_ews.readers.edfi_stream import ROWS_AT_ONCE, Package
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry, open_entry
from cis_ews.schema.school_data import SourceFile

PIECE = 1 << 20
LONGEST_LINE = 16 << 20
SUFFIXES = (".jsonl", ".ndjson")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Numbers stay as they are written."""
_BY_NAME = {name.lower(): resource for name, resource in RESOURCES.items()}


def is_json_lines(entry: Entry) -> bool:
    """Whether a file of a source is one of JSON lines."""
    return entry.name.lower().endswith(SUFFIXES)


def resource_of(entry: Entry) -> Resource | None:
    """The resource of which a file's name, up to its first dot, or else its folder's speaks."""
    path = PurePosixPath(entry.name)
    return _BY_NAME.get(path.name.split(".")[0].lower()) or _BY_NAME.get(path.parent.name.lower())


def read_json_lines(entry: Entry, resource: Resource, *, package: Package, limits: ReadLimits) -> SourceFile:
    """Read one file into the package, and say what it was.

    Raises ReadError where a line is no JSON object: by its number, without its text.
    """
    reading = _Reading(entry.name, resource)
    with open_entry(entry, limits) as opened:
        for number, line in enumerate(_lines(opened.content, entry.name), start=1):
            if line.strip():
                reading.take(number, line)
        file = SourceFile(table=resource.record, name=entry.name, sha256=opened.sha256(), rows=reading.records)
    frames = reading.frames()
    if frames:
        package.frames.setdefault(resource.record, []).extend(frames)
    package.files.append(file)
    return file


def _lines(content: BinaryIO, name: str) -> Iterator[bytes]:
    rest = b""
    while piece := content.read(PIECE):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            raise ReadError(f"{name}: a line is longer than {LONGEST_LINE >> 20} MiB", hint="one record a line is read")
    if rest:
        yield rest


class _Reading:
    """One file while it is read."""

    def __init__(self, name: str, resource: Resource) -> None:
        self.name, self.records = name, 0
        columns = RECORDS[resource.record]
        self._schema = dict.fromkeys((*columns, REFERRED), pl.String())
        paths = {column: [place.split(".") for place in places] for column, places in resource.columns.items()}
        self._paths = [paths.get(column, []) for column in self._schema]
        self._rows: list[list[str | None]] = []
        self._numbers: list[int] = []
        self._done: list[pl.DataFrame] = []

    def take(self, number: int, line: bytes) -> None:
        """One line."""
        try:
            record: Any = _DECODER.decode(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise ReadError(
                f"{self.name}: line {number:,} is no JSON object",
                hint="give one record a line, or fetch it again",
                file=self.name,
            )
        self._rows.append([_first(cast("dict[str, Any]", record), paths) for paths in self._paths])
        self._numbers.append(number)
        self.records += 1
        if len(self._rows) == ROWS_AT_ONCE:
            self._pack()

    def _pack(self) -> None:
        frame = pl.DataFrame(self._rows, schema=self._schema, orient="row")
        place = [pl.lit(self.name).alias("file"), pl.Series("row_number", self._numbers, dtype=pl.Int64)]
        self._done.append(frame.with_columns(place))
        self._rows, self._numbers = [], []

    def frames(self) -> list[pl.DataFrame]:
        """The rows of the file, none where it has none."""
        if self._rows:
            self._pack()
        return self._done


def _first(record: dict[str, Any], paths: Sequence[Sequence[str]]) -> str | None:
    """The first place that is filled."""
    for path in paths:
        value = _below(record, path)
        if value is not None:
            return value
    return None


def _below(node: Any, path: Sequence[str]) -> str | None:
    for at, name in enumerate(path):
        if isinstance(node, dict):
            node = node.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        elif isinstance(node, list):
            return _in_list(node, path[at:])  # pyright: ignore[reportUnknownArgumentType]
        else:
            return None
    return _in_list(node, ()) if isinstance(node, list) else _text(node)  # pyright: ignore[reportUnknownArgumentType]


def _in_list(nodes: list[Any], path: Sequence[str]) -> str | None:
    found = (_below(node, path) for node in nodes if not isinstance(node, list))
    return next((value for value in found if value is not None), None)


def _text(value: Any) -> str | None:
    """A value as the text of a cell. Half of a pair of surrogates, which no text may have, is replaced."""
    if isinstance(value, str):
        text = value if value.isascii() else value.encode(errors="replace").decode()
        return text.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return None
