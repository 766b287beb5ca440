"""The page of the verbs, made from what `--help` prints. Make it anew: python -m tests.lib.cli_page."""

from __future__ import annotations

from pathlib import Path

import typer

from cis_ews.cli import app
from tests.lib.command import command

PAGE = Path(__file__).parents[2] / "docs/cli.md"
HEAD = """# The command line

Made from `cis-ews --help` and the help of each verb.

Every verb takes `--json`: JSON lines on stdout, one JSON object on stderr where it fails. On a terminal long steps show
their progress; in a pipe or a cron job each step leaves a line on stderr. Results go to stdout.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a fault of the program: an error id is shown, the log has it too |
| 2 | usage: the command line, a setting or a policy is wrong |
| 3 | the data were refused, or `check --strict` found an error |
| 4 | no model, one that does not fit, or one whose gates do not pass (`python -m training promote`) |
| 5 | storage: the store, a run or the database |
| 6 | `monitor` found that lists may be wrong |
| 129, 130, 143 | ended by SIGHUP (the terminal closed), Ctrl-C, SIGTERM: one line says how that leaves things |
"""


def verbs() -> list[tuple[str, ...]]:
    """Every verb, the ones of groups with their group."""
    own = [(command.name or getattr(command.callback, "__name__", ""),) for command in app.registered_commands]
    return [
        *own,
        *(verb for group in app.registered_groups for verb in _of_group(group.name or "", group.typer_instance)),
    ]


def _of_group(name: str, group: typer.Typer | None) -> list[tuple[str, ...]]:
    assert group is not None
    return [(name, each.name or getattr(each.callback, "__name__", "")) for each in group.registered_commands]


def render() -> str:
    """The page."""
    parts = [f"## cis-ews {' '.join(verb)}\n\n```text\n{_help(verb)}\n```\n" for verb in verbs()]
    return "\n".join([HEAD, f"```text\n{_help(())}\n```\n", *parts])


def _help(verb: tuple[str, ...]) -> str:
    return command(*verb, "--help").out.rstrip()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
