"""What an executor of Spark says of itself before a night; sent as it is, since cis_ews may be lacking there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

PACKAGES = ("cis_ews", "polars", "numpy", "lightgbm")


def described(packages: Sequence[str], folders: Sequence[str]) -> dict[str, str]:
    """Versions of Python and of packages, and whether folders are seen, of the process that calls it."""
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    said = {"Python": platform.python_version()}
    for name in packages:
        try:
            said[name] = version(name)
        except PackageNotFoundError:
            said[name] = "none"
    return said | {folder: "seen" if os.path.isdir(folder) else "not seen" for folder in folders}  # noqa: PTH112


def asking(packages: Sequence[str], folders: Sequence[str]) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """What `mapInArrow` calls there: one row of the executor's host, and of what it says."""

    def told(batches: Iterable[Any]) -> Iterator[Any]:
        import json
        import socket
        from importlib import import_module

        arrow = import_module("pyarrow")
        for _ in batches:
            row = {"host": [socket.gethostname()], "said": [json.dumps(described(packages, folders))]}
            yield arrow.RecordBatch.from_pydict(row)

    return told
