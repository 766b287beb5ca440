"""The tables of a model as bytes: a line of JSON that says what follows, then plain arrays. Never code.

The tables follow from the trees, so that a file that is cut, changed, of other trees or of another version is no error:
it is passed over. What is taken leads a compiled loop, which trusts it: every place that it names is looked at before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cis_ews.risk.shap_groups import MOST_BITS
from cis_ews.risk.shap_tables import KINDS, ShapTables

FORMAT = "cis_ews shap tables"
VERSION = 1
"""Raised whenever tables are made, cut or read in another way."""


def tables_bytes(tables: ShapTables, *, key: str) -> bytes:
    """The bytes of tables; `key` is the hash of the trees that they were made of."""
    content = b"".join(_plain(array, name).tobytes() for name, array in tables._asdict().items())
    sizes = {name: int(array.size) for name, array in tables._asdict().items()}
    return json.dumps(_header(key, content, sizes), sort_keys=True).encode() + b"\n" + content


def tables_from(content: bytes, *, key: str, columns: int) -> ShapTables | None:
    """The tables again, or None unless they are whole, of these trees and of this version."""
    line, _, rest = content.partition(b"\n")
    try:
        said = json.loads(line)
        sizes = {name: int(said["sizes"][name]) for name in KINDS}
        if said != _header(key, rest, sizes):
            return None
        tables = ShapTables(**dict(_arrays(rest, sizes)))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return tables if _leads_nowhere_else(tables, columns) else None


def _header(key: str, content: bytes, sizes: Mapping[str, int]) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    return {"format": FORMAT, "version": VERSION, "trees": key, "sha256": digest, "sizes": dict(sizes)}


def _plain(array: NDArray[Any], name: str) -> NDArray[Any]:
    return array.astype(np.dtype(KINDS[name]).newbyteorder("<"))


def _arrays(content: bytes, sizes: Mapping[str, int]) -> Iterator[tuple[str, NDArray[Any]]]:
    begin = 0
    for name, kind in KINDS.items():
        stored = np.dtype(kind).newbyteorder("<")
        array = np.frombuffer(content, dtype=stored, count=sizes[name], offset=begin)
        begin += array.nbytes
        yield name, array.astype(kind)
    if begin != len(content):
        raise ValueError("more than was said")


def _leads_nowhere_else(tables: ShapTables, columns: int) -> bool:
    """Whether every place that the tables name is there."""
    return _are_parts(tables) and _are_flags(tables) and _are_tables(tables, columns)


def _are_parts(tables: ShapTables) -> bool:
    """Whether all bounds are bounds of what they stand for, and what lies side by side is of one length."""
    bounds = [
        (tables.split_starts, tables.feature),
        (tables.category_starts, tables.category_words),
        (tables.joined_starts, tables.step_starts[1:]),
        (tables.step_starts, tables.step_flag),
        (tables.group_starts, tables.bit_starts[1:]),
        (tables.bit_starts, tables.bit_flag),
        (tables.lookup_starts, tables.lookup_feature),
        (tables.value_starts, tables.values),
        (tables.deep_starts, tables.deep_value),
        (tables.path_starts, tables.path_feature),
    ]
    beside = [
        (tables.split_starts, tables.joined_starts, tables.group_starts, tables.deep_starts),
        (tables.feature, tables.threshold, tables.threshold32, tables.kind, tables.category_starts[1:]),
        (tables.step_flag, tables.step_wanted),
        (tables.bit_starts, tables.lookup_starts, tables.value_starts),
        (tables.deep_value, tables.path_starts[1:]),
        (tables.path_feature, tables.path_flag, tables.path_wanted, tables.path_share),
        (tables.nodes, tables.weights),
    ]
    is_one = tables.base_value.size == 1
    return (
        is_one and all(_are_bounds(*each) for each in bounds) and all(len({*map(np.size, row)}) == 1 for row in beside)
    )


def _are_bounds(starts: NDArray[np.int64], parts: NDArray[Any]) -> bool:
    return starts.size > 0 and starts[0] == 0 and starts[-1] == parts.size and bool((np.diff(starts) >= 0).all())


def _are_flags(tables: ShapTables) -> bool:
    """Whether every flag that is asked for is one of its tree."""
    splits = np.diff(tables.split_starts)
    flags = splits + np.diff(tables.joined_starts)
    steps, bits, path = (np.diff(starts) for starts in (tables.step_starts, tables.bit_starts, tables.path_starts))
    return (
        _are_below(tables.step_flag, np.repeat(np.repeat(splits, np.diff(tables.joined_starts)), steps))
        and _are_below(tables.bit_flag, np.repeat(np.repeat(flags, np.diff(tables.group_starts)), bits))
        and _are_below(tables.path_flag, np.repeat(np.repeat(flags, np.diff(tables.deep_starts)), path))
    )


def _are_tables(tables: ShapTables, columns: int) -> bool:
    """Whether tables are as large as their patterns, rules as long as their paths, and features are there."""
    bits = np.diff(tables.bit_starts)
    most = (np.diff(tables.path_starts).max(initial=0) + 1) // 2
    return (
        bool((bits <= MOST_BITS).all())
        and np.array_equal(np.diff(tables.value_starts), np.diff(tables.lookup_starts) << bits)
        and bool(most * (most + 1) // 2 <= tables.nodes.size)
        and all(_are_below(each, columns) for each in (tables.feature, tables.lookup_feature, tables.path_feature))
        and bool(np.isfinite(tables.values).all())
    )


def _are_below(places: NDArray[np.int64], limits: NDArray[np.int64] | int) -> bool:
    return bool(((places >= 0) & (places < limits)).all())
