"""The one table of what may become of a case: from which state, by what, done by whom, needing what, to which state.

The cycle is that of Communities In Schools: a flag opens a conversation; who accepts it assesses the needs, agrees on a
plan with the family's consent, and monitors it until the student leaves case management. docs/support.md shows this
table and its diagram; both are made from it by `python -m tests.lib.support_page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cis_ews.enums import CaseAction, CaseState, Role


class Need(StrEnum):
    """What an action cannot do without."""

    REASON = "reason"
    UNTIL = "until"
    SUBJECT = "subject"
    CONTACT = "contact"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One way from some states to one; `target` None leaves the state as it is. Nobody in `who`: a night does it."""

    action: CaseAction
    sources: frozenset[CaseState]
    target: CaseState | None
    who: frozenset[Role] = frozenset()
    needs: frozenset[Need] = frozenset()


_COORDINATOR = frozenset({Role.COORDINATOR})
_AT_SCHOOL = frozenset({Role.COORDINATOR, Role.SCHOOL_STAFF})
_LEADING = frozenset({Role.COORDINATOR, Role.DISTRICT_MANAGER, Role.AFFILIATE_MANAGER})
_STEWARD = frozenset({Role.DATA_STEWARD})
_REASON = frozenset({Need.REASON})

OPEN_STATES = frozenset({CaseState.WAITING, CaseState.IN_TOUCH})
"""Flagged, and nobody has decided."""
SET_ASIDE = frozenset({CaseState.ALREADY_KNOWN, CaseState.NOT_NOW, CaseState.DATA_QUESTIONED, CaseState.NO_ACTION})
"""Decided without anybody taking the student on."""
CARRIED = frozenset({CaseState.ACCEPTED, CaseState.CASE_MANAGED})
"""Somebody carries the student; no night takes that away."""
IN_SUPPORT = CARRIED | {CaseState.ALREADY_KNOWN}
"""The student has support; counted so where flagged and served stand side by side."""
UNSEEN = frozenset({CaseState.WAITING, CaseState.NOT_FLAGGED})
"""As is a student without a case: nobody has been in touch or decided since the flag came."""
_LEFT = frozenset({CaseState.EXITED})
_OFF = frozenset({CaseState.NOT_FLAGGED})

TRANSITIONS = (
    Transition(
        action=CaseAction.CONTACT,
        sources=frozenset({CaseState.WAITING}),
        target=CaseState.IN_TOUCH,
        who=_AT_SCHOOL,
        needs=frozenset({Need.CONTACT}),
    ),
    Transition(
        action=CaseAction.CONTACT,
        sources=frozenset(CaseState) - {CaseState.WAITING},
        target=None,
        who=_AT_SCHOOL,
        needs=frozenset({Need.CONTACT}),
    ),
    Transition(
        action=CaseAction.ACCEPT, sources=OPEN_STATES | SET_ASIDE | _LEFT, target=CaseState.ACCEPTED, who=_COORDINATOR
    ),
    Transition(
        action=CaseAction.ALREADY_KNOWN,
        sources=OPEN_STATES,
        target=CaseState.ALREADY_KNOWN,
        who=_COORDINATOR,
        needs=_REASON,
    ),
    Transition(
        action=CaseAction.NOT_NOW,
        sources=OPEN_STATES,
        target=CaseState.NOT_NOW,
        who=_COORDINATOR,
        needs=frozenset({Need.REASON, Need.UNTIL}),
    ),
    Transition(
        action=CaseAction.QUESTION_DATA,
        sources=OPEN_STATES,
        target=CaseState.DATA_QUESTIONED,
        who=_AT_SCHOOL,
        needs=frozenset({Need.REASON, Need.SUBJECT}),
    ),
    Transition(
        action=CaseAction.NO_ACTION, sources=OPEN_STATES, target=CaseState.NO_ACTION, who=_COORDINATOR, needs=_REASON
    ),
    Transition(action=CaseAction.REFER, sources=_OFF, target=CaseState.ACCEPTED, who=_COORDINATOR, needs=_REASON),
    Transition(
        action=CaseAction.OPEN_PLAN,
        sources=frozenset({CaseState.ACCEPTED}),
        target=CaseState.CASE_MANAGED,
        who=_COORDINATOR,
        needs=frozenset({Need.PLAN}),
    ),
    Transition(
        action=CaseAction.EXIT,
        sources=frozenset({CaseState.CASE_MANAGED}),
        target=CaseState.EXITED,
        who=_COORDINATOR,
        needs=_REASON,
    ),
    Transition(
        action=CaseAction.REOPEN,
        sources=SET_ASIDE | _LEFT | {CaseState.ACCEPTED},
        target=CaseState.WAITING,
        who=_LEADING,
        needs=_REASON,
    ),
    Transition(
        action=CaseAction.ANSWER,
        sources=frozenset({CaseState.DATA_QUESTIONED}),
        target=CaseState.WAITING,
        who=_STEWARD,
        needs=_REASON,
    ),
    Transition(
        action=CaseAction.ANSWER,
        sources=frozenset(CaseState) - {CaseState.DATA_QUESTIONED},
        target=None,
        who=_STEWARD,
        needs=_REASON,
    ),
    Transition(
        action=CaseAction.TIER_ROSE,
        sources=frozenset({CaseState.IN_TOUCH}) | SET_ASIDE | _LEFT,
        target=CaseState.WAITING,
    ),
    Transition(action=CaseAction.DATE_CAME, sources=frozenset({CaseState.NOT_NOW}), target=CaseState.WAITING),
    Transition(action=CaseAction.RESOLVE, sources=OPEN_STATES | SET_ASIDE | _LEFT, target=CaseState.NOT_FLAGGED),
    Transition(action=CaseAction.FLAG_AGAIN, sources=_OFF, target=CaseState.WAITING),
)

NIGHTLY = tuple(dict.fromkeys(row.action for row in TRANSITIONS if not row.who))
"""What a night does; everything else is done by people."""


def _by_state_and_action() -> Mapping[tuple[CaseState, CaseAction], Transition]:
    ways: dict[tuple[CaseState, CaseAction], Transition] = {}
    for row in TRANSITIONS:
        for state in row.sources:
            if ways.setdefault((state, row.action), row) is not row:
                raise ValueError(f"{state} has two ways by {row.action}")
    return ways


WAYS = _by_state_and_action()
"""By state and action; what is not in it is not possible."""


def next_state(state: CaseState, action: CaseAction) -> CaseState:
    """The state that an action leads to. Raises KeyError where there is no such way."""
    target = WAYS[state, action].target
    return state if target is None else target


def who_may(action: CaseAction) -> frozenset[Role]:
    """The roles that may ever do an action; nobody where a night does it."""
    return frozenset[Role]().union(*(row.who for row in TRANSITIONS if row.action == action))


def diagram() -> str:
    """The table as a Mermaid state diagram; a way that changes nothing is left out."""
    lines = ["stateDiagram-v2", "    [*] --> not_flagged"]
    for row in TRANSITIONS:
        for state in CaseState:
            if state in row.sources and row.target is not None:
                by = row.action.value if row.who else f"{row.action.value} (night)"
                lines.append(f"    {state.value} --> {row.target.value}: {by}")
    return "\n".join(lines) + "\n"
