"""The verb that drafts a first mapping of somebody else's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Json
from cis_ews.cli.session import begin
from cis_ews.cli.terminal import Terminal
from cis_ews.errors import ConfigError
from cis_ews.wording import counted

NAMED = 10
"""So many of the files that are left are named."""

if TYPE_CHECKING:
    from cis_ews.readers.survey.findings import Survey, TableReading


def map_source(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="A folder or zip with CSV or other delimited text.", show_default=False),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The mapping to write.")] = Path(
        "mapping.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Look at unknown files and write a first mapping of them, with reasons.

    Finds out which file is which table and which heading which column: by
    names, values, forms of dates, and keys that join. What only you can say
    stands in the file as a QUESTION. Read it, edit it, then run check. No value
    of a student is shown or written; codes such as A or 09 are.

    Examples:

        cis-ews map export

        cis-ews map export.zip --output configs/sis.toml
    """
    from cis_ews.readers.survey import survey
    from cis_ews.readers.survey.writing import as_dict, toml_of
    from cis_ews.storage.files import disk_errors, written_beside

    terminal = begin(context, as_json=as_json).terminal
    if output.exists() and not force:
        raise ConfigError(
            f"{output} is there already", hint="name another file with --output, or replace it with --force"
        )
    found = survey(source, progress=terminal)
    check = ("cis-ews", "check", str(source), "--format", str(output))
    with disk_errors(output, "write"), written_beside(output) as beside:
        beside.write_text(toml_of(found, command=" ".join(check)), encoding="utf-8")
    _show(terminal, found)
    terminal.say()
    terminal.place("The mapping lies in", output)
    is_whole = _loads(output)
    if not is_whole:
        terminal.line("It cannot be used before its open lines are answered.")
    terminal.say("Next: read it, edit it, then run")
    terminal.shell(*check)
    terminal.record("mapped", path=str(output), is_whole=is_whole, **as_dict(found))


def _loads(output: Path) -> bool:
    """Whether the mapping can be used as it is."""
    from cis_ews.readers.mapping_config import load_mapping

    try:
        load_mapping(output)
    except ConfigError:
        return False
    return True


def _show(terminal: Terminal, found: Survey) -> None:
    rows = [
        (table.table, f"{table.confidence} {table.score:.2f}", len(table.columns), table.asked, _files(table))
        for table in found.tables
    ]
    terminal.table("What the files seem to be", ["table", "confidence", "columns", "questions", "files"], rows)
    remarks = [*(("!", each) for each in _lacking(found)), *(("-", each) for each in _left(found))]
    if remarks:
        terminal.say()
    for mark, remark in remarks:
        terminal.item(remark, mark=mark)


def _lacking(found: Survey) -> Iterator[str]:
    """What somebody has to see to."""
    for table in found.tables:
        if table.is_held_back:
            yield f"{table.table} is held back until these are answered: {', '.join(table.open)}"
        elif table.open:
            yield f"{table.table} lacks what it cannot do without: {', '.join(table.open)}"
    for table, needed in found.missing.items():
        yield f"nothing looks like {table}; needed is {needed}"
    for table, needed in found.untold.items():
        yield f"nothing looks like {table}, so nothing is known of it; it would be {needed}"
    if found.known_as:
        yield f"this looks like {found.known_as}; that needs no mapping"


def _left(found: Survey) -> Iterator[str]:
    """What is good to know."""
    if found.derived:
        yield f"to be derived of attendance: {', '.join(found.derived)}"
    left = len(found.unmatched) + found.unnamed
    if left:
        named = ", ".join(found.unmatched[:NAMED]) + (", ..." if len(found.unmatched) > NAMED else "")
        yield f"{counted(left, 'file')} taken for no table" + (f": {named}" if named else "")
    for why, count in found.passed.items():
        yield f"{counted(count, 'file')} not looked into: {why}"
    if any(not table.is_whole for table in found.tables):
        yield "large files were looked at in a sample: their head, and pieces spread over the rest"


def _files(table: TableReading) -> str:
    others = len(table.files) - 1
    return table.files[0] + (f" and {others:,} more" if others else "")
