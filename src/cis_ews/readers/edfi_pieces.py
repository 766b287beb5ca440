"""A file of Ed-Fi's bulk XML in pieces of some records each.

A tree that is parsed whole costs a third of one that is looked at while it grows. A file is cut between two records.
Where a cut was wrong, for what looked like the end of a record stood within one, its piece is not well-formed: then, as
with every other fault, the file is refused here (NotInPiecesError) and has to be read as a stream, which says what is
wrong with it and where.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

PIECE = 1 << 20
LONGEST = 16 * PIECE
"""The most that is held of a file without a place to cut it."""
NOTHING_OUTSIDE: Mapping[str, bool] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
"""How every parser of a package is made: nothing outside of the file is opened, and nothing but elements is kept."""
_WINDOW = 1 << 16
_ATTRIBUTES = rb"""(?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*"""
_ROOT = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?Interchange\w+)" + _ATTRIBUTES + rb"\s*>")
_ENCODING = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"']([^\"']*)[\"']")
_FIRST = re.compile(rb"\s*<(?:[\w.-]+:)?([\w.-]+)")
_BETWEEN = re.compile(rb"</(?:[\w.-]+:)?([\w.-]+)\s*>\s*(?=<(?:[\w.-]+:)?([\w.-]+)[\s/>])")


class NotInPiecesError(Exception):
    """The file cannot be read in pieces, whatever the reason."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of a file. `begin`: the tag of its root. `end`: that at the end of it, which the last piece has."""

    begin: bytes
    records: bytes
    end: bytes
    is_last: bool = False

    def tree(self, records: bytes) -> Any:
        """The root with these records of the piece, its last ones, in it. Raises NotInPiecesError."""
        etree: Any = importlib.import_module("lxml.etree")  # it has no type information
        content = self.begin + records + (b"" if self.is_last else self.end)
        try:
            return etree.fromstring(content, etree.XMLParser(**NOTHING_OUTSIDE))
        except etree.XMLSyntaxError:
            raise NotInPiecesError from None


def pieces(content: BinaryIO, head: bytes, *, records: Collection[str]) -> Iterator[Piece]:
    """The file in pieces.

    `head`: what was read of `content` already. `records`: names of children of the root, between which it may be cut;
    the name of the first child is one of them in any case.
    """
    root = _ROOT.search(head)
    before = head[: root.start()] if root else head
    written = _ENCODING.search(before)
    if root is None or b"<!DOCTYPE" in before or (written and written.group(1).lower() not in (b"utf-8", b"us-ascii")):
        raise NotInPiecesError
    begin, end = root.group(0), b"</" + root.group(1) + b">"
    held, names = head[root.end() :], frozenset(name.encode() for name in records)
    first = _FIRST.match(held)
    if first:
        names |= {first.group(1)}
    while more := content.read(PIECE):
        held += more
        if len(held) >= PIECE and (cut := _last_cut(held, names)):
            yield Piece(begin, held[:cut], end)
            held = held[cut:]
        elif len(held) > LONGEST:
            raise NotInPiecesError
    yield Piece(begin, held, end, is_last=True)


def _last_cut(held: bytes, names: frozenset[bytes]) -> int:
    """Where the last record ends behind which another one begins; 0 where that is nowhere near the end."""
    cuts = _BETWEEN.finditer(held, max(len(held) - _WINDOW, 0))
    return max((cut.end() for cut in cuts if names.issuperset(cut.groups())), default=0)
