"""A process of its own that decides about a student whom it has read before: for races between reviewers."""

from __future__ import annotations

import sys

from cis_ews.enums import CaseAction
from cis_ews.errors import CaseMovedError
from cis_ews.storage.access import Scope
from cis_ews.storage.cases import Move
from cis_ews.storage.database import By, Database
from cis_ews.support.reviews import state_of
from cis_ews.support.transitions import next_state


def main(url: str, ref: str, person_id: str, action: str) -> None:
    """Read the case, say so, wait for a line, decide; print what came of it."""
    with Database(url) as database:
        case = database.cases.find(Scope(districts=frozenset({"d1"})), ref)
        if case is None:
            raise SystemExit("no such student")
        state = state_of(case.state, is_flagged=True)
        chosen = CaseAction(action)
        move = Move(action=chosen, before=state, after=next_state(state, chosen), reason=f"said by {action}")
        sys.stdout.write("read\n")
        sys.stdout.flush()
        sys.stdin.readline()
        try:
            sys.stdout.write(f"version {database.cases.record(case, move, by=By(person_id=person_id))}\n")
        except CaseMovedError:
            first = database.cases.history(case).reviews[0]
            sys.stdout.write(f"moved by {first.action}: {first.reason}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
