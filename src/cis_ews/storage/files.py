"""Files that are whole or not there: durable writing, hashes, and one error for whatever the disk refuses."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from cis_ews.errors import StorageError

LEFTOVER = ".leftover-"
"""What a hidden name begins with while it is being written or taken away; the next writer under the lock removes it."""

_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run again"),
    errno.EFBIG: ("the file would be larger than is allowed here", "raise the file size limit and run again"),
    errno.EROFS: ("the disk is read-only", "mount it writable or name another folder"),
    errno.EACCES: ("permission is denied", "let this account write there or name another folder"),
    errno.EPERM: ("permission is denied", "let this account write there or name another folder"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "move that file away or name another folder"),
    errno.EEXIST: ("a file stands where a folder is needed", "move that file away or name another folder"),
    errno.EISDIR: ("a folder stands where a file is needed", "name a file"),
    errno.ENOENT: ("it is not there", "check the path"),
}


@contextmanager
def disk_errors(place: Path, doing: str) -> Generator[None]:
    """Turn whatever the disk or polars raises into a `StorageError` that names the place and what to do.

    `from None`, because the text of a polars error can carry cell values.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _storage_error(place, doing, _number(error)) from None


def _number(error: Exception) -> int | None:
    """The error number of the disk; polars says it in its text alone."""
    said = re.search(r"os error (\d+)", str(error))
    return getattr(error, "errno", None) or (int(said[1]) if said else None)


def _storage_error(place: Path, doing: str, number: int | None) -> StorageError:
    unsaid = "the disk does not take it" if doing.startswith("write") else "the content is damaged"
    unknown = (os.strerror(number) if number else unsaid, "see to the disk and run again")
    found, hint = _REASONS.get(number or 0, unknown)
    return StorageError(f"cannot {doing} {place}: {found}", hint=hint)


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_bytes(content: object) -> bytes:
    """JSON that is the same for the same content: sorted keys, fixed indent, one newline at the end, no NaN."""
    return (json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and see it onto the disk."""
    path.write_bytes(content)
    sync(path)


def replace_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file in one step: a reader sees the old content or the new, never a part."""
    beside = leftover_beside(path)
    try:
        write_durably(beside, content)
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder, if it is not there, that its owner alone may open: records of children go into it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def written_beside(path: Path) -> Generator[Path]:
    """A path to write a new file at; it takes the place of `path` in one step when all went well."""
    beside = leftover_beside(path)
    try:
        yield beside
        sync(beside)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def leftover_beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else uses, marked as to be removed."""
    return path.with_name(f"{LEFTOVER}{path.name}-{secrets.token_hex(4)}")


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Take a folder away in one step for whoever looks, then remove it."""
    hidden = leftover_beside(folder)
    folder.rename(hidden)
    sync(folder.parent)
    remove(hidden)
