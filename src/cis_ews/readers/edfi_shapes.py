"""Records of Ed-Fi's bulk XML that are written alike, read by the shape that they share.

An export writes its records by a program: the same tags in the same order again and again, and other texts. So a record
is parsed and walked through once, and a regular expression is made of it: every tag as it stands there, any plain text
in the place of a text. What matches it from tag to tag is well-formed as that record is, and is read in a tenth of the
time. Plain text has no entity, no CDATA, no carriage return and no character that XML does not allow: whatever has,
or is written like no record before, is left to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO

import polars as pl

from cis_ews.readers.ahead import ahead
from cis_ews.readers.edfi_pieces import NotInPiecesError, Piece, pieces
from cis_ews.readers.edfi_places import UNRANKED, Node, Plan, plan_of
from cis_ews.readers.edfi_records import REFERRED, SAYS_REF

MOST_SHAPES = 32
"""Of one file: a file of more is hardly written by shapes, and each is tried."""
WORTH = 1 << 16
"""Characters of a text that must be left, for a shape to be worth finding out."""
MOST_TAGS = 300
"""Of one record: an expression of more takes longer to make than it spares."""
LONGEST_TEXT = 10_000_000
"""Characters: the parser refuses the text of an element that is longer."""
_ILLEGAL = r"\x00-\x08\x0b-\x1f\ufffe\uffff"
_TEXT = rf"[^<>&{_ILLEGAL}]*+"
_VALUE = rf"""[^<>&"'\t\n{_ILLEGAL}]*+"""
_GAP = r"[ \t\r\n]*+"
_TAG = re.compile(
    r"<(?P<ends>/?)(?:(?P<prefix>[A-Za-z_][\w.-]*):)?(?P<name>[A-Za-z_][\w.-]*)"
    rf"""(?P<attributes>(?:[ \t\r\n]+[A-Za-z_][\w.-]*=(?:"{_VALUE}"|'{_VALUE}'))*)[ \t\r\n]*(?P<empty>/?)>"""
    r"(?P<text>[^<]*+)",
    re.ASCII,
)
_NOTHING = "nothing"  # the column of what a shape has no place for
_START = re.compile(_GAP)
_ATTRIBUTE = re.compile(rf"""[ \t\r\n]([A-Za-z_][\w.-]*)=["'](?P<value>{_VALUE})["']""", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Group:
    """What a group of the expression holds: the column, the rank of the place, and whether it is a reference.

    `is_raw`: it counts as it stands, even where it is empty.
    """

    column: int
    rank: int
    is_reference: bool = False
    is_raw: bool = False

    def cell(self, number: int) -> pl.Expr:
        """The cell of its column, null where the group is empty."""
        cell = pl.col(_name(number))
        if self.is_raw:
            return cell
        said = cell if self.is_reference else cell.str.strip_chars()
        return pl.when(said != "").then(SAYS_REF + said if self.is_reference else said)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One way in which a record is written. `plan`: None where it is a record that is not used."""

    pattern: re.Pattern[str]
    plan: Plan | None
    groups: tuple[_Group, ...]

    def frame(self, cells: list[str], rows: int) -> pl.DataFrame:
        """The columns of a record, as text. `cells`: what the groups of the pattern hold, row by row."""
        names, width = self.plan.columns if self.plan else (), len(self.groups)
        series = [pl.Series(_name(at), cells[at::width], dtype=pl.String) for at in range(width)]
        nothing = pl.repeat(None, rows, dtype=pl.String, eager=True).alias(_NOTHING)
        return pl.DataFrame([nothing, *series]).select(
            self._column(column).alias(name) for column, name in enumerate(names)
        )

    def _column(self, column: int) -> pl.Expr:
        found = sorted((each.rank, number) for number, each in enumerate(self.groups) if each.column == column)
        cells = [self.groups[number].cell(number) for _, number in found]
        return pl.coalesce(cells) if cells else pl.col(_NOTHING)


@dataclass(frozen=True, slots=True)
class Run:
    """Some records of one shape, one behind the other: what the groups of its pattern hold, row by row."""

    shape: Shape
    cells: list[str]
    rows: int


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of a file in their order: those that have a shape, then the children of a root, where it has any."""

    shaped: list[Run]
    root: Any = ()


def records_of(content: BinaryIO, head: bytes, *, records: Collection[str]) -> Generator[Records, None, None]:
    """The records of a file, made beside whoever takes them; to be closed. Raises NotInPiecesError.

    `head`: what was read of `content` already. `records`: names of children of the root, between which it may be cut.
    """
    shapes = _Shapes()
    with closing(ahead(pieces(content, head, records=records))) as cut, closing(ahead(map(shapes.read, cut))) as read:
        yield from read


def _name(group: int) -> str:
    return f"group_{group}"


class _Shapes:
    """The shapes of the records of one file, found out while it is read."""

    def __init__(self) -> None:
        self._shapes: list[Shape] = []  # the one that was used last is first

    def read(self, piece: Piece) -> Records:
        """The records of a piece."""
        try:
            text = piece.records.decode()
        except UnicodeDecodeError:
            raise NotInPiecesError from None
        shaped, at = list[Run](), 0
        while len(text) < LONGEST_TEXT and (shape := self._next(text, at, piece)):
            cells, rows, match = list[str](), 0, shape.pattern.match
            while found := match(text, at):
                cells += found.groups()  # one list: a tuple a row would keep the collector of garbage busy
                rows += 1
                at = found.end()
            shaped.append(Run(shape, cells, rows))
        rest = text[at:]
        if not piece.is_last and _START.fullmatch(rest):
            return Records(shaped)
        return Records(shaped, piece.tree(rest.encode()))

    def _next(self, text: str, at: int, piece: Piece) -> Shape | None:
        """The shape of the record at a place of the text."""
        number = next((number for number, shape in enumerate(self._shapes) if shape.pattern.match(text, at)), None)
        if number is not None:
            self._shapes.insert(0, self._shapes.pop(number))
            return self._shapes[0]
        if len(self._shapes) == MOST_SHAPES or len(text) - at < WORTH:
            return None
        if shape := _learned(text, at, piece):
            self._shapes.insert(0, shape)
        return shape


def _learned(text: str, at: int, piece: Piece) -> Shape | None:
    """The shape of the record at a place of a text; None where it has none, or the parser reads it otherwise."""
    tags = _tags_of_record(text, at)
    if not tags:
        return None
    record = text[at : tags[-1].end("empty") + 1]
    root = Piece(piece.begin, b"", piece.end).tree(record.encode())
    shape = _Drawing(root.nsmap).shape(tags)
    found = shape.pattern.fullmatch(record)
    if found is None or len(root) != 1:
        return None
    if shape.plan and shape.frame(list(found.groups()), 1).row(0) != tuple(shape.plan.values(root[0])):
        return None
    return shape


def _tags_of_record(text: str, at: int) -> list[re.Match[str]]:
    """The tags of the record that begins at a place, each with the text behind it; none where it is not plain."""
    tags, depth, begin = list[re.Match[str]](), 0, _START.match(text, at)
    at = begin.end() if begin else at
    while len(tags) < MOST_TAGS and (found := _TAG.match(text, at)):
        if "xmlns" in found["attributes"] or (found["ends"] and (found["attributes"] or found["empty"])):
            break
        tags.append(found)
        depth += -1 if found["ends"] else 0 if found["empty"] else 1
        if depth <= 0:
            return tags if depth == 0 else []
        at = found.end()
    return []


class _Drawing:
    """The shape of one record while it is drawn from its tags."""

    def __init__(self, namespaces: Mapping[str | None, str]) -> None:
        self._namespaces = namespaces
        self._groups = list[_Group]()
        self._above = list[Node | None]()
        self._plan: Plan | None = None

    def shape(self, tags: Sequence[re.Match[str]]) -> Shape:
        """The shape of a record that the parser has found well-formed."""
        parts = list[str]()
        between = _GAP
        for tag in tags:
            parts.append(between)
            between = _GAP
            if tag["ends"]:
                self._above.pop()
                parts.append(re.escape(_written(tag)))
                continue
            node = self._node(tag)
            parts.append(self._start(tag, node))
            if not tag["empty"]:
                self._above.append(node)
                if tag.string.startswith("</", tag.end()):
                    between = self._leaf(node)
        return Shape(re.compile("".join(parts)), self._plan, tuple(self._groups))

    def _node(self, tag: re.Match[str]) -> Node | None:
        """What is looked for at an element."""
        namespace = self._namespaces.get(tag["prefix"])
        name = f"{{{namespace}}}{tag['name']}" if namespace else tag["name"]
        if self._above:
            above = self._above[-1]
            return above.children.get(name) if above else None
        self._plan = plan_of(name)
        return self._plan.places if self._plan else None

    def _start(self, tag: re.Match[str], node: Node | None) -> str:
        """The expression of a start tag: as it stands there, with other values of its attributes."""
        written, parts, at = _written(tag), list[str](), 0
        for attribute in _ATTRIBUTE.finditer(written):
            value = f"({_VALUE})" if self._wants(attribute[1], node) else _VALUE
            parts += [re.escape(written[at : attribute.start("value")]), value]
            at = attribute.end("value")
        return "".join(parts) + re.escape(written[at:])

    def _wants(self, attribute: str, node: Node | None) -> bool:
        """Whether an attribute is a cell; then it is the next group."""
        if self._plan and not self._above and attribute == REFERRED:
            self._groups.append(_Group(len(self._plan.columns) - 1, rank=0, is_raw=True))
            return True
        if node and node.refers and node.rank < UNRANKED and attribute == "ref":
            self._groups.append(_Group(node.column, node.rank, is_reference=True))
            return True
        return False

    def _leaf(self, node: Node | None) -> str:
        """The expression of the text of an element without children."""
        if node is None or node.rank == UNRANKED:
            return _TEXT
        self._groups.append(_Group(node.column, node.rank))
        return f"({_TEXT})"


def _written(tag: re.Match[str]) -> str:
    """A tag as it stands there, without the text behind it."""
    return tag.string[tag.start() : tag.start("text")]
