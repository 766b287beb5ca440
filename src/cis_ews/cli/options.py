"""Arguments and options that more than one verb takes."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

PLAIN_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_day(text: str) -> date:
    """A date as ISO text, or `today` or `yesterday` by this machine's clock (for a cron line)."""
    today = date.today()
    words = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        # `fromisoformat` takes other forms as well, 20260227 and 2026-W09-5.
        return words.get(text) or date.fromisoformat(text if PLAIN_DAY.fullmatch(text) else "")
    except ValueError:
        message = "give a date as 2026-02-27, or today, or yesterday"
        raise typer.BadParameter(message) from None


Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE", help="A folder or zip with the extract, or a TOML that combines several.", show_default=False
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="F",
        help="How SOURCE is laid out: folder, oneroster, cedars, edfi, combine, or a TOML's path. "
        "Default: the settings'.",
        show_default=False,
    ),
]
AsOf = Annotated[
    date,
    typer.Option(
        "--as-of", parser=parse_day, metavar="DATE", help="The day to score as of: 2026-02-27, today, yesterday."
    ),
]
OptionalAsOf = Annotated[
    date | None,
    typer.Option("--as-of", parser=parse_day, metavar="DATE", help="A date, today, or yesterday.", show_default=False),
]
StudentId = Annotated[
    str, typer.Argument(metavar="STUDENT_ID", help="The id that the extract uses.", show_default=False)
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="The folder that holds the runs. Default: the settings' store.",
        show_default=False,
    ),
]
Policy = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="A tier policy in TOML, over the shipped one."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="M",
        help="rules, models:/cis-ews@champion, or a model's file. Default: the settings', else rules.",
        show_default=False,
    ),
]
RunFolder = Annotated[
    Path,
    typer.Option("--run", metavar="DIR", help="A run's folder, or a store (then its newest run).", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON lines, for programs.")]
