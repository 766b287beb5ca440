"""Ed-Fi's bulk XML read as a stream: the records that are used become rows of text, one file after the other.

A file is fed to the parser a piece at a time, and what was read is let go, so memory does not grow with it. Nothing
outside the file is ever opened: no entities, no DTD, no network.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import ConfigError, ReadError
from cis_ews.readers.edfi_pieces import NOTHING_OUTSIDE, NotInPiecesError
from cis_ews.readers.edfi_places import Plan, plan_of
from cis_ews.readers.edfi_records import INTERCHANGES, RECORDS, REFERRED
from cis_ews.readers.edfi_shapes import Records, Shape, records_of
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry, open_entry
from cis_ews.schema.school_data import SourceFile

PIECE = 1 << 20
ROWS_AT_ONCE = 20_000
PLACE = {"file": pl.String(), "row_number": pl.Int64()}
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(Interchange\w+)[\s>/]")


@dataclass(slots=True)
class Package:
    """What the files of a package hold: a frame of text a record, with `id`, `file` and `row_number`.

    `row_number` is the place of a record among those of its file that are read, from 1. `passed_over`: files that hold
    nothing that is used.
    """

    frames: dict[str, list[pl.DataFrame]] = field(default_factory=dict[str, list[pl.DataFrame]])
    files: list[SourceFile] = field(default_factory=list[SourceFile])
    passed_over: int = 0

    def rows(self, record: str) -> pl.DataFrame:
        """The rows of a record, none where the package has none."""
        return pl.concat([no_rows(record), *self.frames.get(record, [])])


def no_rows(record: str) -> pl.DataFrame:
    """A frame of a record without rows."""
    return pl.DataFrame(schema={**dict.fromkeys([*RECORDS[record], REFERRED], pl.String()), **PLACE})


def read_xml(entry: Entry, *, package: Package, limits: ReadLimits, schemas: Path | None = None) -> None:
    """Read one file into the package. `schemas`: the folder of the XSDs, where the file is to be held against them.

    Raises ReadError where it is no well-formed XML, has a document type, or breaks its XSD: by line, without its text.
    """
    read = None if schemas else _in_pieces(entry, limits)
    read = read or _as_stream(entry, limits, schemas)
    if read.interchange is None:
        package.passed_over += 1
        return
    for record, frame in read.reading.frames():
        package.frames.setdefault(record, []).append(frame)
    kind = read.interchange.removeprefix("Interchange")
    package.files.append(SourceFile(table=kind, name=entry.name, sha256=read.sha256, rows=read.reading.records))


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read; `interchange` is None where it is none that is used."""

    reading: _Reading
    interchange: str | None = None
    sha256: str = ""


def _in_pieces(entry: Entry, limits: ReadLimits) -> _Read | None:
    """The file by the faster way; None where that cannot read it, whatever the reason."""
    _lxml()
    with open_entry(entry, limits) as opened:
        head = opened.content.read(PIECE)
        interchange, reading = _interchange(head, entry.name), _Reading(entry.name)
        if interchange is None:
            return _Read(reading)
        try:
            with closing(records_of(opened.content, head, records=RECORDS)) as found:
                for records in found:
                    reading.take_records(records)
        except NotInPiecesError:
            return None
        return _Read(reading, interchange, opened.sha256())


def _as_stream(entry: Entry, limits: ReadLimits, schemas: Path | None) -> _Read:
    """The file by a parser that is fed: held against its XSD, or to say what is wrong with it."""
    etree = _lxml()
    with open_entry(entry, limits) as opened:
        head = opened.content.read(PIECE)
        interchange, reading = _interchange(head, entry.name), _Reading(entry.name)
        if interchange is None:
            return _Read(reading)
        parser = etree.XMLPullParser(
            events=("start", "end"),
            tag=[f"{{*}}{name}" for name in (interchange, *RECORDS)],
            **NOTHING_OUTSIDE,
            schema=_schema(interchange, schemas),
        )
        try:
            while head:
                parser.feed(head)
                reading.take(parser)
                head = opened.content.read(PIECE)
            parser.close()
            reading.take(parser)
        except etree.XMLSyntaxError as error:
            raise _refused(entry.name, error, is_checked=schemas is not None) from None
        return _Read(reading, interchange, opened.sha256())


def _interchange(head: bytes, name: str) -> str | None:
    """The kind of a file, if it is one that is used. Raises ReadError where it has no element at all."""
    root = _ROOT.search(head)
    found = root.group(1).decode() if root else _root_of(head, name)
    return found if found in INTERCHANGES else None


def _root_of(head: bytes, name: str) -> str:
    """The name of a file's root by the parser, which knows every encoding."""
    etree = _lxml()
    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, no_network=True, load_dtd=False)
    with suppress(etree.XMLSyntaxError):
        parser.feed(head)
    for _, element in parser.read_events():
        return str(etree.QName(element).localname)
    raise ReadError(f"{name}: no XML: empty, cut off or of another kind", hint="export it again", file=name)


def _refused(name: str, error: Any, *, is_checked: bool) -> ReadError:
    """The place and the kind of the fault: the parser's own words can quote what stands there."""
    line, _ = error.position
    kind = error.error_log.last_error.type_name if len(error.error_log) else "unknown"
    if is_checked and kind.startswith("SCHEMA"):
        hint = "ask the sender for a file that its own schema allows, or read it without `schemas`"
        return ReadError(f"{name}: line {line:,} breaks the XSD of its interchange ({kind})", hint=hint, file=name)
    return ReadError(f"{name}: no well-formed XML near line {line:,}", hint="export it again", file=name)


def _schema(interchange: str, schemas: Path | None) -> Any:
    if schemas is None:
        return None
    etree, path = _lxml(), schemas / f"Interchange-{interchange.removeprefix('Interchange')}.xsd"
    if not path.is_file():
        raise ConfigError(f"{schemas}: there is no {path.name}", hint="name the folder that holds Ed-Fi's XSDs")
    return etree.XMLSchema(etree.parse(path, etree.XMLParser(no_network=True, resolve_entities=False)))


def _lxml() -> Any:
    """lxml has no type information; it is loaded for this format alone."""
    try:
        return importlib.import_module("lxml.etree")
    except ModuleNotFoundError:
        raise ConfigError("Ed-Fi XML needs lxml", hint="pip install 'cis_ews[edfi]'") from None


@dataclass(slots=True)
class _Rows:
    """Rows of one record that were read in one way, with their numbers, until they become a frame."""

    cells: list[Any] = field(default_factory=list[Any])
    numbers: list[int] = field(default_factory=list[int])


class _Reading:
    """One file while it is read."""

    def __init__(self, name: str) -> None:
        self.name, self.records = name, 0
        self._root: Any = None
        self._plans: dict[str, Plan | None] = {}
        self._rows: dict[str, dict[Shape | None, _Rows]] = {}
        self._done: dict[str, list[pl.DataFrame]] = {}

    def take(self, parser: Any) -> None:
        """The records that the parser has finished; then let them go."""
        for event, element in parser.read_events():
            if event == "start":
                if self._root is None and element.getparent() is None:
                    self._begin(element)
            elif element.getparent() is self._root:
                self._read(element)
        if self._root is not None:
            self._let_go()

    def _begin(self, root: Any) -> None:
        self._root = root
        if root.getroottree().docinfo.doctype:
            raise ReadError(f"{self.name}: the file has a document type", hint="export it without", file=self.name)

    def _let_go(self) -> None:
        """All children of the root but the last, which may still be open."""
        del self._root[:-1]

    def take_records(self, records: Records) -> None:
        """Some records."""
        for run in records.shaped:
            if run.shape.plan:
                self._add(run.shape.plan.record, run.shape, run.cells, rows=run.rows)
        for element in records.root:
            self._read(element)

    def _read(self, element: Any) -> None:
        """Take a child of the root, if it is a record that is used."""
        tag = element.tag
        if tag not in self._plans:
            self._plans[tag] = plan_of(tag)
        plan = self._plans[tag]
        if plan:
            self._add(plan.record, None, [plan.values(element)], rows=1)

    def _add(self, record: str, shape: Shape | None, cells: Sequence[Any], *, rows: int) -> None:
        """Rows of a record: of a shape, its cells; of none, a list of cells a row."""
        waiting = self._rows.setdefault(record, {}).setdefault(shape, _Rows())
        waiting.cells += cells
        waiting.numbers += range(self.records + 1, self.records + rows + 1)
        self.records += rows
        if len(waiting.numbers) >= ROWS_AT_ONCE:
            self._pack(record)

    def _pack(self, record: str) -> None:
        """All rows of a record so far, in the order of the file."""
        frames = [
            (shape.frame(rows.cells, len(rows.numbers)) if shape else _frame(record, rows.cells)).with_columns(
                pl.lit(self.name).alias("file"), pl.Series("row_number", rows.numbers, dtype=pl.Int64)
            )
            for shape, rows in self._rows.pop(record).items()
        ]
        self._done.setdefault(record, []).append(pl.concat(frames).sort("row_number") if frames[1:] else frames[0])

    def frames(self) -> list[tuple[str, pl.DataFrame]]:
        """A frame or more of each record of the file."""
        for record in list(self._rows):
            self._pack(record)
        return [(record, frame) for record, frames in self._done.items() for frame in frames]


def _frame(record: str, rows: Sequence[Sequence[str | None]]) -> pl.DataFrame:
    columns = (*RECORDS[record], REFERRED)
    return pl.DataFrame(
        [pl.Series(name, cells, dtype=pl.String) for name, cells in zip(columns, zip(*rows, strict=True), strict=True)]
    )
