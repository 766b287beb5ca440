"""The table and the diagram of docs/support.md, made from the transitions by `python -m tests.lib.support_page`."""

from __future__ import annotations

from pathlib import Path

from cis_ews.enums import CaseState
from cis_ews.support.transitions import TRANSITIONS, Transition, diagram

PAGE = "docs/support.md"
BEGIN, END = "<!-- made from the table: begin -->", "<!-- made from the table: end -->"


def page(text: str) -> str:
    """The page with what stands between the marks made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_made()}{END}{after}"


def _made() -> str:
    head = "| from | action | who | needs | to |\n|---|---|---|---|---|\n"
    rows = "".join(_row(row) for row in TRANSITIONS)
    return f"\n```mermaid\n{diagram()}```\n\n{head}{rows}\n"


def _row(row: Transition) -> str:
    sources = [state for state in CaseState if state in row.sources]
    missing = [state for state in CaseState if state not in row.sources]
    said = _listed(sources) if len(sources) <= len(missing) + 2 else f"all but {_listed(missing)}"
    who = _listed(sorted(row.who)) or "a night"
    target = f"`{row.target}`" if row.target else "as it was"
    return f"| {said} | `{row.action}` | {who} | {_listed(sorted(row.needs)) or '-'} | {target} |\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    path = Path(PAGE)
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
