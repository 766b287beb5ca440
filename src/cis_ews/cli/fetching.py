"""Verbs that ask other systems for records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Json
from cis_ews.cli.session import Session, begin
from cis_ews.errors import ConfigError
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.fetching.edfi import Fetched

fetch = typer.Typer(no_args_is_help=True, help="Ask another system for its records.")


@fetch.callback()
def _only_a_group() -> None:
    """Ask another system for its records."""


@fetch.command()
def edfi(
    context: typer.Context,
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="A TOML with a section [api] (docs/edfi.md).", show_default=False),
    ],
    *,
    to: Annotated[
        Path,
        typer.Option(
            "--to", metavar="FOLDER", help="Where the records are kept: a source to read.", show_default=False
        ),
    ],
    full: Annotated[bool, typer.Option("--full", help="Fetch everything anew, not only what has changed.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch the records of an Ed-Fi API into a folder that `--format edfi` reads.

    The first time everything, then what has changed since. Killed or cut off,
    it goes on where it ended. Only what is read of a record is kept. The key
    and the secret are in CIS_EWS_EDFI_KEY and CIS_EWS_EDFI_SECRET, or in a
    file that CONFIG names.

    Example:

        cis-ews fetch edfi district.toml --to records

        cis-ews score records --format district.toml --as-of today --out night
    """
    from cis_ews.readers.choices import reader_named_in
    from cis_ews.readers.edfi_config import PAGE, READER, load_edfi

    session = begin(context, as_json=as_json)
    api = load_edfi(config).api if reader_named_in(config) == READER else None
    if api is None:
        raise ConfigError(
            f'{config} is no TOML with reader = "{READER}" and a section [api]', hint=f"{PAGE} shows how to write one"
        )
    from cis_ews.fetching.credentials import read_credentials
    from cis_ews.fetching.edfi import fetch_edfi

    credentials = read_credentials(api.credentials, os.environ)
    _show(session, fetch_edfi(api, credentials, to, full=full, progress=session.terminal), to)


def _show(session: Session, fetched: Fetched, folder: Path) -> None:
    manifest, terminal = fetched.manifest, session.terminal
    rows = [
        {"resource": name, "how": each.mode, "records": each.records, "changed": each.changed, "removed": each.removed}
        for name, each in fetched.resources.items()
    ]
    terminal.table(
        "Records fetched", ["resource", "how", "records", "changed", "removed"], [[*row.values()] for row in rows]
    )
    terminal.say()
    if not fetched.is_new:
        terminal.line("Nothing has changed since the last fetch.")
    twice = sum(each.duplicates for each in fetched.resources.values())
    if twice:
        terminal.line(
            f"{counted(twice, 'record')} came twice, while others moved, and {'is' if twice == 1 else 'are'} kept once."
        )
    if manifest.change_version is None:
        terminal.line("The server does not count changes: each fetch fetches everything.")
    said = f"Ed-Fi Data Standard {manifest.data_standard}; {counted(fetched.requests, 'request')}"
    terminal.line(f"{said}, {counted(fetched.retries, 'further attempt')}")
    terminal.place("The records lie in", folder)
    terminal.record(
        "fetched",
        path=str(folder),
        data_standard=manifest.data_standard,
        change_version=manifest.change_version,
        is_new=fetched.is_new,
        is_resumed=fetched.is_resumed,
        rounds=fetched.rounds,
        requests=fetched.requests,
        retries=fetched.retries,
        duplicates=twice,
        absent=list(manifest.absent),
        left_out=list(manifest.left_out),
        resources=rows,
    )
