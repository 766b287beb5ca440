"""The command line. `cis-ews --help` lists the verbs; each verb's `--help` has an example.

Importing this module loads no verb's machinery: each verb imports what it needs when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from cis_ews.cli import (
    audit,
    changes,
    check,
    data,
    failures,
    fetching,
    mapping,
    monitoring,
    night,
    people,
    stores,
    students,
)
from cis_ews.cli.session import Start

app = typer.Typer(
    name="cis-ews",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cis-ews {version('cis_ews')}")
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings in TOML (or name it in CIS_EWS_CONFIG)."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Early warning for schools: who needs a conversation, why, and what has changed.

    A first night, on a made-up district:

        cis-ews synthesize extract

        cis-ews score extract --as-of 2026-02-27 --out night

        cis-ews flags --run night

    Exit codes: 0 done, 2 usage, 3 data refused, 4 model missing or unfit,
    5 storage, 6 a faulty night (monitor), 1 a fault of the program; ended
    by a signal: 129, 130 (Ctrl-C), 143 (SIGTERM).
    """
    context.obj = Start(config)


app.command()(data.synthesize)
app.command("map")(mapping.map_source)
app.command()(check.check)
app.command()(data.indicators)
app.command()(night.score)
app.command()(night.flags)
app.command()(changes.changes)
app.command()(monitoring.monitor)
app.command()(night.explain)
app.command()(night.export)
app.command()(night.replay)
app.command()(stores.retention)
app.add_typer(fetching.fetch, name="fetch")
app.add_typer(students.app, name="student")
app.add_typer(people.app, name="people")
app.add_typer(audit.app, name="audit")
app.add_typer(stores.runs, name="runs")
app.add_typer(stores.db, name="db")
app.add_typer(stores.key, name="key")


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error ends here."""
    return failures.run(app, arguments, name="cis-ews")


def main() -> None:
    """The console script `cis-ews`."""
    failures.leave(run(sys.argv[1:]))
