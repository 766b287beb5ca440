"""A source that changes while it is read is no source: some of its rows would be of one hour and some of another."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cis_ews.errors import ReadError
from cis_ews.wording import counted

Seen = dict[str, tuple[int, int, int]]


@contextmanager
def unchanged(source: Path) -> Generator[None]:
    """Raise ReadError where a file of a folder, or an archive, is another one at the end than at the beginning."""
    before = _seen(source)
    yield
    after = _seen(source)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise ReadError(
            f"{source.name}: {counted(len(changed), 'file')} changed while they were read, the first is {changed[0]}",
            hint="wait until the export has ended, then run again",
            files=changed,
        )


def _seen(source: Path) -> Seen:
    """Name -> what tells a file from another: its place on the disk, its size, and when it was last written."""
    files = [source] if source.is_file() else (path for path in source.rglob("*") if path.is_file())
    return {str(path.relative_to(source.parent)): _mark(path) for path in files}


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
