"""The gates as a section of the page and of the card."""

from __future__ import annotations

from collections.abc import Sequence

from cis_ews.wording import counted
from training.gates import Gate, GateRecord, State
from training.section import Section

COLUMNS = ("gate", "asked is", "found", "")
NONE = "-"
TOLD = ("better_than_rules", "better_than_champion", "calibration_slope", "gaps_of_groups", "reasons_across_seeds")
"""Gates that say more than their number, where they pass."""


def gates_section(record: GateRecord) -> Section:
    """Every gate, and what to do where one does not pass."""
    refused = record.refused
    verdict = "all pass" if not refused else f"{counted(len(refused), 'does', 'do')} not pass"
    return Section(
        title=f"Gates before the champion's place: {verdict}",
        columns=COLUMNS,
        rows=gate_rows(record.gates),
        notes=[*record.notes, *(said for gate in record.gates for said in _said(gate))],
    )


def gate_rows(gates: Sequence[Gate]) -> list[list[str]]:
    """One row a gate."""
    return [[gate.title, gate.bound or NONE, _value(gate), gate.state.value] for gate in gates]


def _value(gate: Gate) -> str:
    return NONE if gate.value is None else gate.shown or f"{gate.value:.3f}"


def _said(gate: Gate) -> list[str]:
    """What was found, and what to do; of a plain yes nothing more."""
    if gate.passes:
        return [f"{gate.title}: {gate.found}"] if gate.name in TOLD and gate.state is State.PASSED else []
    return [f"{gate.refusal()}. What to do: {gate.to_do}"]
