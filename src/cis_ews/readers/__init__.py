"""Readers: one a source format; each gives a draft, which becomes school data when the contract was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from cis_ews.errors import ConfigError
from cis_ews.progress import SILENT, Progress
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.cedars import read_cedars
from cis_ews.readers.cedars_config import load_cedars
from cis_ews.readers.choices import reader_named_in
from cis_ews.readers.combine import files_below, files_of_combination, read_combined
from cis_ews.readers.combine_config import READER as COMBINE
from cis_ews.readers.draft import Draft
from cis_ews.readers.edfi import read_edfi
from cis_ews.readers.edfi_config import load_edfi
from cis_ews.readers.folder import read_folder
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.mapping import read_mapped
from cis_ews.readers.oneroster import read_oneroster
from cis_ews.readers.oneroster_config import load_oneroster
from cis_ews.readers.sources import Entry
from cis_ews.readers.unchanged import unchanged
from cis_ews.schema.school_data import SchoolData

Reader = Callable[[Path, ReadOptions], Draft]
READERS: Mapping[str, Reader] = {
    "folder": read_folder,
    "oneroster": read_oneroster,
    "cedars": read_cedars,
    "edfi": read_edfi,
    COMBINE: lambda path, options: read_combined(path, options, read=read_draft),
}
WITH_CHOICES: Mapping[str, Callable[[Path], Reader]] = {
    "edfi": lambda toml: lambda path, options: read_edfi(path, options, load_edfi(toml)),
    "oneroster": lambda toml: lambda path, options: read_oneroster(path, options, load_oneroster(toml)),
    "cedars": lambda toml: lambda path, options: read_cedars(path, options, load_cedars(toml)),
}
"""Readers that a TOML of their own, with `reader = "..."`, tells what to do."""


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
    choices of one of the readers `WITH_CHOICES`.

    `tolerance`: the share of a table's rows that may be rejected; by default what the format says, else 5 %.
    `as_of`: the day as of which will be scored. Rows of later days stay in the tables, count in no tolerance, and are
    ignored by whatever asks as of a day; but where a format makes one row of many records, or enrollments of events
    (CEDARS, Ed-Fi, grades of OneRoster), later ones must not hide what was known on that day: left out, and counted.

    `limits`: how much a compressed file may unpack to. Raises ConfigError for an unknown format, and DataError
    (ReadError, SchemaError, UnmappedCodesError, ToleranceError) where the extract cannot be used.
    """
    options = ReadOptions(tolerance=tolerance, as_of=as_of, limits=limits or ReadLimits(), progress=progress)
    with unchanged(Path(path)):
        return read_draft(format, Path(path), options).checked(options)


def files_of_source(path: Path, format: str, limits: ReadLimits) -> dict[str, Entry]:  # noqa: A002
    """The files of a source by the names that a run has them under: what may be compared with a run's inputs."""
    return files_of_combination(path, limits) if format == COMBINE else files_below(path, limits)


def read_draft(format: str, path: Path, options: ReadOptions) -> Draft:  # noqa: A002
    """What a reader makes of a source before the contract is asked. Raises as `read_school_data`."""
    return _reader(format)(path, options)


def _reader(name: str) -> Reader:
    if name in READERS:
        return READERS[name]
    toml = Path(name)
    if toml.suffix == ".toml":
        reader = reader_named_in(toml) or ""
        if reader == COMBINE:
            raise ConfigError(
                f"{toml.name} combines sources: it is the source itself",
                hint=f"name it in the place of a folder, with --format {COMBINE}",
            )
        chosen = WITH_CHOICES.get(reader)
        return chosen(toml) if chosen else lambda path, options: read_mapped(path, toml, options)
    raise ConfigError(
        f"there is no format of the name {name!r}; known are {', '.join(READERS)}",
        hint="or give the path of a mapping TOML",
    )
