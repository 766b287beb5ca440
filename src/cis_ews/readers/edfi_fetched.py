"""A folder of JSON lines of an Ed-Fi API: one that `cis-ews fetch edfi` has made and vouches for, or any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cis_ews.errors import ReadError
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.edfi_json import is_json_lines, read_json_lines, resource_of
from cis_ews.readers.edfi_resources import RESOURCES
from cis_ews.readers.edfi_stream import Package
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.sources import Entry, open_entry
from cis_ews.schema.school_data import SourceFile
from cis_ews.wording import counted, some

MANIFEST = "manifest.json"
WORK = ".fetch"
"""Where a fetch keeps what it has not finished."""
LARGEST_MANIFEST = 1 << 20
AGAIN = "run cis-ews fetch edfi again: it goes on where it ended"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FetchedResource(_Part):
    """One resource of a fetch: its file, how many records it holds, and by which places they were kept."""

    file: str
    records: int
    sha256: str
    fields: str


class FetchManifest(_Part):
    """What a fetch has left. No clock stands in it: the same records are the same bytes.

    `change_version`: the server's, up to which changes are in; None where it does not count them. `is_whole`: no record
    was on the move while the folder was made. `absent`: resources that the server does not have. `left_out`: those that
    the configuration leaves out.
    """

    kind: Literal["cis-ews edfi fetch"] = "cis-ews edfi fetch"
    version: Literal[1] = 1
    url: str
    data_standard: str
    api_version: str
    change_version: int | None
    is_whole: bool
    resources: Mapping[str, FetchedResource]
    absent: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def manifest_of(content: bytes) -> FetchManifest:
    """The manifest in these bytes. Raises ReadError."""
    try:
        return FetchManifest.model_validate_json(content)
    except (ValidationError, ValueError):
        raise ReadError(
            f"{MANIFEST}: this is not the manifest of a fetch", hint="fetch again into another folder", file=MANIFEST
        ) from None


def read_fetched(path: Path, entries: Sequence[Entry], *, options: ReadOptions, ledger: Ledger) -> Package:
    """The records of a folder of JSON lines; with a manifest, they must be those that it names."""
    package = Package()
    manifest = _manifest_among(entries, options, ledger)
    if manifest is None and path.is_dir() and (path / WORK).is_dir():
        raise ReadError(f"{path.name}: nothing was fetched into it to the end yet", hint=AGAIN, file=path.name)
    chosen = _named(manifest, entries) if manifest else [each for each in entries if is_json_lines(each)]
    with options.progress.step("read", total=len(chosen)):
        for entry in chosen:
            resource = resource_of(entry)
            if resource is None:
                package.passed_over += 1
            else:
                file = read_json_lines(entry, resource, package=package, limits=options.limits)
                if manifest:
                    _hold(file, manifest.resources[resource.name])
            options.progress.advance()
    return package


def _manifest_among(entries: Sequence[Entry], options: ReadOptions, ledger: Ledger) -> FetchManifest | None:
    entry = next((each for each in entries if each.name == MANIFEST), None)
    if entry is None:
        return None
    with open_entry(entry, options.limits) as opened:
        manifest = manifest_of(opened.content.read(LARGEST_MANIFEST))
        ledger.files.append(SourceFile(table="manifest", name=entry.name, sha256=opened.sha256(), rows=0))
    if not manifest.is_whole:
        raise ReadError(f"{MANIFEST}: records were on the move when the fetch was cut off", hint=AGAIN, file=MANIFEST)
    upto = "" if manifest.change_version is None else f", changes up to version {manifest.change_version:,}"
    ledger.note(f"fetched from an Ed-Fi API of Data Standard {manifest.data_standard}{upto}")
    ledger.note(f"the API does not have {', '.join(manifest.absent)}", len(manifest.absent))
    ledger.note(f"the fetch leaves out {', '.join(manifest.left_out)}, as configured", len(manifest.left_out))
    return manifest


def _named(manifest: FetchManifest, entries: Sequence[Entry]) -> list[Entry]:
    unknown = [name for name in manifest.resources if name not in RESOURCES]
    by_name = {entry.name: entry for entry in entries}
    files = [resource.file for resource in manifest.resources.values()]
    missing = [file for file in files if file not in by_name or resource_of(by_name[file]) is None]
    if unknown or missing:
        raise ReadError(
            f"{MANIFEST}: {counted(len(unknown) + len(missing), 'file')} named and not there or not known: "
            f"{some([*missing, *unknown])}",
            hint="fetch again with --full",
            file=MANIFEST,
        )
    return [by_name[file] for file in files]


def _hold(file: SourceFile, said: FetchedResource) -> None:
    if (file.sha256, file.rows) != (said.sha256, said.records):
        raise ReadError(
            f"{file.name}: this is not the file that was fetched: "
            f"{counted(file.rows, 'record')}, {said.records:,} were fetched",
            hint="fetch again with --full",
            file=file.name,
        )
