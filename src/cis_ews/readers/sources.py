"""Where an extract lies: a folder, or a zip archive. Nothing outside it is opened, and nothing is unpacked to disk."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, cast

from cis_ews.errors import ReadError
from cis_ews.readers.limits import MEBIBYTE, BoundedReader, CountedFile, ReadLimits
from cis_ews.wording import counted

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".zip")
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
OF_WORKBOOKS = frozenset(("[Content_Types].xml", "content.xml"))
"""Files that every workbook of Excel and of OpenDocument holds: it is a zip archive itself."""
UNPACKING_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source: its name below the source, and how to open it.

    `member`: the name inside the archive at `path`; None for a file that lies in a folder.
    """

    name: str
    path: Path
    member: str | None = None

    @property
    def packed(self) -> bool:
        """Whether it lies in an archive."""
        return self.member is not None

    @property
    def suffix(self) -> str:
        """`.csv`, `.csv.gz`, `.parquet`, `.zip` (in any case), or empty."""
        return next((suffix for suffix in SUFFIXES if self.name.lower().endswith(suffix)), "")

    @property
    def stem(self) -> str:
        """The file's own name without its suffix."""
        name = PurePosixPath(self.name).name
        return name[: len(name) - len(self.suffix)]

    @property
    def folder(self) -> str:
        """The folder that holds it, empty at the top of the source."""
        parent = str(PurePosixPath(self.name).parent)
        return "" if parent == "." else parent


class HashingReader(io.RawIOBase):
    """Bytes as they lie in the source, hashed on their way."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """True: this is a stream to read from."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        """SHA-256 of the whole file: what was not read yet is read now."""
        while self.read(MEBIBYTE):
            pass
        return self._hash.hexdigest()


@dataclass(slots=True)
class Opened:
    """An entry while it is read: its unpacked bytes, its bytes as they lie, and their hash."""

    content: BinaryIO
    lying: BinaryIO
    _hashing: HashingReader

    def sha256(self) -> str:
        """Ask for it after reading; it runs to the end of the file."""
        return self._hashing.hexdigest()


@contextmanager
def open_entry(entry: Entry, limits: ReadLimits) -> Generator[Opened, None, None]:
    """The unpacked bytes of an entry, within the limits. Raises ReadError where it is damaged or too large."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(CountedFile(entry.path))
            lying = cast("BinaryIO", file)
            if entry.member is not None:
                archive = stack.enter_context(zipfile.ZipFile(lying))
                lying = cast("BinaryIO", stack.enter_context(archive.open(entry.member)))
            hashing = HashingReader(lying)
            raw = cast("BinaryIO", hashing)
            if entry.suffix == ".csv.gz":
                raw = cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=raw, mode="rb")))
            if entry.packed or entry.suffix == ".csv.gz":
                consumed = partial(getattr, file, "consumed")
                raw = cast("BinaryIO", BoundedReader(raw, name=entry.name, consumed=consumed, limits=limits))
            yield Opened(raw, lying, hashing)
        except PermissionError:
            raise _denied(entry.name) from None
        except UNPACKING_ERRORS:
            # The messages of these libraries can quote bytes of the file.
            raise ReadError(
                f"{entry.name}: the file is damaged or cut off", hint="export it again", file=entry.name
            ) from None


def list_entries(path: Path, limits: ReadLimits) -> list[Entry]:
    """The files of a source, sorted by name. Raises ReadError for what is not there or not safe to open."""
    if path.exists() and not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise _denied(str(path))
    if path.is_dir():
        return _folder_entries(path)
    if not path.exists():
        raise ReadError(f"{path}: there is no such folder or archive", hint="check the path", path=str(path))
    if zipfile.is_zipfile(path):
        return _zip_entries(path, limits, prefix="")
    if path.suffix.lower() in SPREADSHEETS:
        raise _workbook(path.name)
    if path.suffix.lower() == ".zip":
        raise ReadError(f"{path.name}: no whole zip archive, empty or cut off", hint="copy or export it again")
    hint = "a TOML that combines sources is read with --format combine" if path.suffix == ".toml" else None
    raise ReadError(
        f"{path.name}: this is neither a folder nor a zip archive",
        hint=hint or "name the folder that holds the tables",
    )


def _workbook(name: str) -> ReadError:
    return ReadError(
        f"{name}: a spreadsheet, which is not read",
        hint="save each of its sheets as CSV, into a folder, and name the folder",
        file=name,
    )


def _folder_entries(root: Path) -> list[Entry]:
    paths = sorted(path for path in root.rglob("*") if not _hidden(path.relative_to(root)))
    _refuse_escapes(root, paths)
    return [Entry(path.relative_to(root).as_posix(), path) for path in paths if path.is_file()]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _denied(name: str) -> ReadError:
    return ReadError(f"{name}: permission is denied", hint="let this account read it", file=name)


def _refuse_escapes(root: Path, paths: list[Path]) -> None:
    inside = os.path.realpath(root)
    links = [path for path in paths if path.is_symlink()]
    # `os.path.realpath` bears a link that leads to itself, and `Path.resolve` does not.
    escaping = [path for path in links if not Path(os.path.realpath(path)).is_relative_to(inside)]
    if escaping:
        raise ReadError(
            f"{root.name}: {counted(len(escaping), 'link')} out of the folder: {escaping[0].relative_to(root)}",
            hint="copy the files into the folder",
        )
    broken = [path for path in links if not path.exists()]
    if broken:
        raise ReadError(
            f"{root.name}: {counted(len(broken), 'link')} to nothing: {broken[0].relative_to(root)}",
            hint="copy the file into the folder, or remove the link",
        )


def archive_entries(entry: Entry, limits: ReadLimits) -> list[Entry]:
    """The files inside an archive that is itself a file of a folder source."""
    return _zip_entries(entry.path, limits, prefix=f"{entry.name}/")


def list_files(path: Path, limits: ReadLimits) -> list[Entry]:
    """The files of a source as `list_entries` has them, with what an archive holds in the place of the archive."""
    return [inner for entry in list_entries(path, limits) for inner in _opened(entry, limits)]


def _opened(entry: Entry, limits: ReadLimits) -> list[Entry]:
    return archive_entries(entry, limits) if entry.suffix == ".zip" and not entry.packed else [entry]


def _zip_entries(path: Path, limits: ReadLimits, *, prefix: str) -> list[Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except PermissionError:
        raise _denied(path.name) from None
    except UNPACKING_ERRORS:
        raise ReadError(f"{path.name}: the archive is damaged", hint="export it again", file=path.name) from None
    if len(members) > limits.max_members:
        raise ReadError(f"{path.name}: the archive holds {len(members):,} files", hint="one file a table is enough")
    if not OF_WORKBOOKS.isdisjoint(member.filename for member in members):
        raise _workbook(path.name)
    _refuse_unsafe_members(path.name, members)
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ReadError(f"{path.name}: the archive holds a file twice", hint="make it again", file=path.name)
    top = _common_top(names)
    return [
        Entry(prefix + name.removeprefix(top), path, member=name) for name in sorted(names) if not _hidden(Path(name))
    ]


def _common_top(names: list[str]) -> str:
    """The one folder that holds every file of an archive, with its slash; empty where there is none."""
    tops = {name.split("/", maxsplit=1)[0] for name in names}
    return f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in names) else ""


def _refuse_unsafe_members(name: str, members: list[zipfile.ZipInfo]) -> None:
    unsafe = sum(_unsafe(member) for member in members)
    if unsafe:
        raise ReadError(
            f"{name}: {counted(unsafe, 'file of the archive has', 'files of the archive have')} "
            "a path that climbs out, a link, or a password",
            hint="make the archive again from plain files",
            file=name,
        )


def _unsafe(member: zipfile.ZipInfo) -> bool:
    # `orig_filename` is the name before the library has tidied it.
    path, windows = PurePosixPath(member.orig_filename), PureWindowsPath(member.orig_filename)
    climbs = ".." in path.parts or ".." in windows.parts
    absolute = path.is_absolute() or bool(windows.drive) or bool(windows.root)
    link = stat.S_ISLNK(member.external_attr >> 16)
    encrypted = bool(member.flag_bits & 0x1)
    return climbs or absolute or link or encrypted
