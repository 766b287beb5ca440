"""Readers: one a source format; each gives school data, the rows it rejected, and a coverage statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from cis_ews.errors import ConfigError
from cis_ews.progress import SILENT, Progress
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder import read_folder
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.mapping import read_mapped
from cis_ews.readers.oneroster import read_oneroster
from cis_ews.readers.oneroster_config import is_oneroster, load_oneroster
from cis_ews.readers.unchanged import unchanged
from cis_ews.schema.school_data import SchoolData

Reader = Callable[[Path, ReadOptions], SchoolData]
READERS: Mapping[str, Reader] = {"folder": read_folder, "oneroster": read_oneroster}


def read_school_data(
    path: str | Path,
    *,
    format: str = "folder",  # noqa: A002  the word that callers know
    tolerance: float | None = None,
    as_of: date | None = None,
    progress: Progress = SILENT,
    limits: ReadLimits | None = None,
) -> SchoolData:
    """Read an extract: a folder (or a zip archive) at `path`.

    `format`: the name of one of the `READERS`, or the path of a TOML: a mapping, or the
    choices of a OneRoster reader.

    `tolerance`: the share of a table's rows that may be rejected; by default what the format says, else 5 %.
    `as_of`: the day as of which will be scored. Rows of later days stay in the tables, and are ignored by whatever asks
    as of a day; but where a format makes one grade of many results (OneRoster), later results must not hide what was
    known on that day, and are left out.

    `limits`: how much a compressed file may unpack to. Raises ConfigError for an unknown format, and DataError
    (ReadError, SchemaError, UnmappedCodesError, ToleranceError) where the extract cannot be used.
    """
    options = ReadOptions(tolerance=tolerance, as_of=as_of, limits=limits or ReadLimits(), progress=progress)
    with unchanged(Path(path)):
        return _reader(format)(Path(path), options)


def _reader(name: str) -> Reader:
    if name in READERS:
        return READERS[name]
    if Path(name).suffix == ".toml" and is_oneroster(Path(name)):
        return lambda path, options: read_oneroster(path, options, load_oneroster(Path(name)))
    if Path(name).suffix == ".toml":
        return lambda path, options: read_mapped(path, Path(name), options)
    raise ConfigError(
        f"there is no format of the name {name!r}; known are {', '.join(READERS)}",
        hint="or give the path of a mapping TOML",
    )
