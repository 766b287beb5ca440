"""Plain text is read by a faster way, and nobody sees which: the same cells, numbers, counts and refusals."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.errors import EwsError
from cis_ews.readers import delimited, plain_lines
from cis_ews.readers.delimited import read_delimited
from cis_ews.readers.encodings import Utf8Reader
from cis_ews.readers.file_read import FileRead
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import list_entries

COLUMNS = ("a", "b", "c")
CELLS = st.text(alphabet='ab1 ;"\t\u00e9\ufeff\x00,', max_size=3)
LINES = st.lists(st.lists(CELLS, min_size=2, max_size=4).map(",".join), max_size=6)
REPEATED = {name: pl.Categorical(pl.Categories(name, "tests.plain_lines")) for name in ("b", "c")}
PLAIN = st.lists(st.tuples(*[st.text(alphabet="xy 1\u00e9#", max_size=4)] * 3).map(",".join), max_size=30)


def read(content: bytes, *, carefully: bool, types: Mapping[str, pl.Categorical] | None = None) -> FileRead | str:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if carefully:
            patch.setattr(delimited, "read_plain", refused)
        (Path(folder) / "t.csv").write_bytes(content)
        (entry,) = list_entries(Path(folder), ReadLimits())
        try:
            return read_delimited(entry, known_columns=COLUMNS, limits=ReadLimits(), takes_surplus=True, types=types)
        except EwsError as error:
            return str(error)


def refused(*_: object, **__: object) -> pl.DataFrame:
    raise plain_lines.NotPlainError


def same(content: bytes) -> None:
    fast, careful = read(content, carefully=False), read(content, carefully=True)
    if isinstance(fast, str) or isinstance(careful, str):
        assert fast == careful
        return
    assert_frame_equal(fast.frame, careful.frame)
    for name in ("ragged", "unknown_columns", "sha256", "notes"):
        assert getattr(fast, name) == getattr(careful, name)
    assert fast.row_numbers.to_list() == careful.row_numbers.to_list()
    for carefully in (False, True):
        held = read(content, carefully=carefully, types=REPEATED)
        assert isinstance(held, FileRead)
        assert all(held.frame[name].dtype == kind for name, kind in REPEATED.items() if name in held.frame.columns)
        assert_frame_equal(held.frame.cast(pl.String), careful.frame)


@given(st.one_of(LINES, PLAIN), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_both_ways_read_the_same(lines: list[str], end: str, ends: bool) -> None:
    same((end.join(["a,b,c", *lines]) + (end if ends else "")).encode())


@given(PLAIN, st.integers(min_value=4, max_value=40))
def test_text_is_read_in_chunks_of_any_size(lines: list[str], chunk: int) -> None:
    content = "\n".join(["a,b,c", *lines]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_lines, "CHUNK", chunk)
        patch.setattr(plain_lines, "BLOCK", 100)
        same(content)


def test_plain_text_takes_the_faster_way(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b,c\r\n1,,3\r\n")
    with path.open("rb") as stream:
        cells = plain_lines.read_plain(
            Utf8Reader(stream, "utf-8"), delimiter=",", types=dict.fromkeys("012", pl.String())
        )
    assert cells.rows() == [("a", "b", "c"), ("1", None, "3")]


@pytest.mark.parametrize(
    "content", [b'a,b\n"1",2\n', b"a,b\n1\n", b"a,b\n1,2,3\n4\n", b"a,b\n\n1,2\n", b"a,b\r1,2\n", b"a\n1\n"]
)
def test_what_is_not_plain_is_left_to_the_other_way(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    types = {str(at): pl.String() for at in range(content.partition(b"\n")[0].count(b",") + 1)}
    with path.open("rb") as stream, pytest.raises(plain_lines.NotPlainError):
        plain_lines.read_plain(Utf8Reader(stream, "utf-8"), delimiter=",", types=types)
