"""Each gate: what lets a version through, what does not, by how much, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import Estimate
from cis_ews.evaluation.widening import Widened
from tests.lib.gates import CLEAN, EVEN, Steady, passed, validation
from training.champion import Beside
from training.config import PromotionConfig
from training.gates import NAMES, Gate, GateRecord, State, hash_of
from training.gates_page import gates_section

CHAMPION = Beside(
    number=3, model_version="model-aaaaaaaaaaaa", gain=Estimate(value=0.01, low=-0.01, high=0.03), widened=(EVEN,)
)


def _gap(growth: float, *, p: float, is_told: bool = True) -> Widened:
    return Widened(
        decision="10 % of each school",
        attribute="english_learner",
        group="newcomer",
        measure="false_negative_rate",
        before=0.10,
        now=0.10 + growth,
        p=p,
        half_width=0.06,
        is_told=is_told,
    )


def test_what_passes_passes_every_gate() -> None:
    found = passed(beside=CHAMPION)
    assert tuple(found) == NAMES
    assert {gate.state for gate in found.values()} == {State.PASSED}


def test_the_first_model_has_no_champion_to_be_compared_with() -> None:
    gate = passed()["better_than_champion"]
    assert (gate.state, gate.passes) == (State.NOTHING_TO_COMPARE, True)


REFUSED = [
    (
        "better_than_rules",
        passed(validation(on_rules=Estimate(value=0.01, low=-0.004, high=0.03))),
        "better_than_rules: recall at 10 % is +0.010 on published rules, from -0.004 to +0.030; asked is at least 0, "
        "missed by 0.004",
    ),
    (
        "better_than_champion",
        passed(beside=replace(CHAMPION, gain=Estimate(value=-0.02, low=-0.05, high=0.01))),
        "better_than_champion: recall at 10 % is -0.020 on champion 3, from -0.050 to +0.010; asked is at least -0.02, "
        "missed by 0.03",
    ),
    (
        "calibration_slope",
        passed(validation(slope=0.71)),
        "calibration_slope: the slope of calibration is 0.71; asked is 0.8 to 1.2, missed by 0.09",
    ),
    (
        "calibration_slope",
        passed(validation(slope=1.45)),
        "calibration_slope: the slope of calibration is 1.45; asked is 0.8 to 1.2, missed by 0.25",
    ),
    (
        "gaps_of_groups",
        passed(beside=replace(CHAMPION, widened=(_gap(0.12, p=0.01),))),
        "gaps_of_groups: english learner: newcomer, false negative rate at 10 % of each school, gap +0.100 before, "
        "+0.220 now: grown by 0.120, from +0.060 to +0.180; 1 such gap beyond chance; asked is "
        "at most 0.05, missed by 0.07",
    ),
    (
        "null_control",
        passed(p_value=0.3),
        "null_control: labels shuffled 100 times gain as much with p = 0.300; asked is at most 0.05, missed by 0.25",
    ),
    (
        "leakage",
        passed(leakage=replace(CLEAN, trusted=("exit_code is too good alone",))),
        "leakage: 1 of 60 features seem to know the outcome, and are trusted by the configuration; asked is at most 0, "
        "missed by 1",
    ),
    (
        "reasons_across_seeds",
        passed(stability=Steady(top3_overlap_across_seeds=0.66)),
        "reasons_across_seeds: 66% of the first three reasons stay with another seed; asked is at least 0.8, missed by "
        "0.14",
    ),
    (
        "reasons_unchanged",
        passed(stability=Steady(identical_when_unchanged=False)),
        "reasons_unchanged: it does not hold; asked is at least 1, missed by 1",
    ),
    (
        "contributions_add_up",
        passed(stability=Steady(additive=False)),
        "contributions_add_up: it does not hold; asked is at least 1, missed by 1",
    ),
]


@pytest.mark.parametrize(
    ("name", "found", "words"), REFUSED, ids=[f"{name} {place}" for place, (name, *_) in enumerate(REFUSED)]
)
def test_a_gate_refuses_alone_and_says_by_how_much(name: str, found: dict[str, Gate], words: str) -> None:
    assert [gate.name for gate in found.values() if not gate.passes] == [name]
    assert found[name].state is State.REFUSED
    assert found[name].refusal() == words
    assert found[name].to_do


UNKNOWN = [
    ("better_than_rules", passed(validation(has_rules=False)), "published rules could not be asked"),
    ("better_than_rules", passed(validation(on_rules=Estimate(value=0.1))), "too few or too small for an interval"),
    (
        "better_than_champion",
        passed(beside=replace(CHAMPION, gain=None, why_not="champion 3 learned another label (exclusion)")),
        "champion 3 learned another label",
    ),
    ("calibration_slope", passed(validation(slope=None)), "risk and outcome have no slope"),
    ("gaps_of_groups", passed(beside=replace(CHAMPION, widened=None)), "the source has no demographics"),
    ("gaps_of_groups", passed(beside=replace(CHAMPION, widened=())), "no group is large enough to be told"),
    ("reasons_across_seeds", passed(stability=Steady(top3_overlap_across_seeds=None)), "was not measured"),
]


@pytest.mark.parametrize(
    ("name", "found", "words"), UNKNOWN, ids=[f"{name} {place}" for place, (name, *_) in enumerate(UNKNOWN)]
)
def test_what_cannot_be_measured_does_not_pass(name: str, found: dict[str, Gate], words: str) -> None:
    assert found[name].state is State.NOT_MEASURED
    assert not found[name].passes
    assert f"{name}: not measured, " in found[name].refusal()
    assert words in found[name].refusal()


def test_a_gap_that_chance_explains_is_told_and_refuses_nothing() -> None:
    gate = passed(beside=replace(CHAMPION, widened=(_gap(0.4, p=0.2), _gap(0.03, p=0.001))))["gaps_of_groups"]
    assert gate.state is State.PASSED
    assert gate.value == pytest.approx(0.03)
    assert "gap +0.100 before, +0.500 now: grown by 0.400, from +0.340 to +0.460" in gate.found
    assert gate.shown == "0.400, by chance"


def test_the_widest_growth_is_shown_beside_a_gate_that_nothing_decides() -> None:
    gate = passed(beside=replace(CHAMPION, widened=(_gap(0.161, p=0.2),)))["gaps_of_groups"]
    assert (gate.value, gate.state) == (0.0, State.PASSED)
    rows = gates_section(GateRecord(model_version="m", champion=3, champion_version="c", gates=(gate,))).rows
    assert rows == [["no group's errors grew apart", "at most 0.05", "0.161, by chance", "passed"]]


def test_a_gate_that_refuses_shows_the_growth_that_it_refuses_for() -> None:
    """Not a wider one by chance: 0.400 beside "refused" would say that chance refuses."""
    gate = passed(beside=replace(CHAMPION, widened=(_gap(0.4, p=0.2), _gap(0.12, p=0.001))))["gaps_of_groups"]
    assert (gate.state, gate.shown) == (State.REFUSED, "0.120")


@pytest.mark.parametrize(
    ("growth", "told", "state"),
    [
        (0.012, 0.05, State.PASSED),
        (0.049, 0.05, State.PASSED),
        (0.051, 0.1, State.REFUSED),
        (0.163, 0.2, State.REFUSED),
    ],
)
def test_a_growth_of_few_students_decides_and_is_not_told(growth: float, told: float, state: State) -> None:
    gate = passed(beside=replace(CHAMPION, widened=(_gap(growth, p=0.001, is_told=False),)))["gaps_of_groups"]
    assert gate.state is state
    assert gate.value == pytest.approx(told)
    assert gate.shown == f"to {told:.2f}"
    assert "which are not told" in gate.found
    assert f"{0.1 + growth:+.3f}" not in gate.found
    by_chance = passed(beside=replace(CHAMPION, widened=(_gap(0.163, p=0.2, is_told=False),)))["gaps_of_groups"]
    assert (by_chance.state, by_chance.shown) == (State.PASSED, "to 0.20, by chance")


def test_few_schools_are_said() -> None:
    assert "wide: 4 schools" in passed(validation(schools=4))["better_than_rules"].found


def test_bounds_are_those_of_the_configuration() -> None:
    strict = PromotionConfig(margin_champion=0.0, slope_low=1.0, slope_high=1.0, gap_growth=0.01, top3_overlap=0.95)
    found = passed(validation(slope=1.05), replace(CHAMPION, widened=(_gap(0.02, p=0.001),)), bounds=strict)
    refused = ["better_than_champion", "calibration_slope", "gaps_of_groups", "reasons_across_seeds"]
    assert [gate.name for gate in found.values() if not gate.passes] == refused


def test_a_record_comes_back_and_one_that_was_changed_does_not() -> None:
    record = GateRecord(
        model_version="model-1", champion=3, champion_version="model-0", gates=tuple(passed().values()), notes=("a",)
    )
    text = record.text()
    assert GateRecord.read(text, sha256=hash_of(text)) == record
    with pytest.raises(ModelError, match="not the one that was registered"):
        GateRecord.read(text.replace('"value": 1.0', '"value": 1.1'), sha256=hash_of(text))
    other = text.replace('"record_version": 1', '"record_version": 2')
    with pytest.raises(ModelError, match="of another version"):
        GateRecord.read(other, sha256=hash_of(other))


def test_the_page_tells_every_gate_and_what_to_do() -> None:
    found = passed(validation(slope=0.7), CHAMPION)
    record = GateRecord(model_version="m", champion=3, champion_version="c", gates=tuple(found.values()))
    section = gates_section(record)
    assert section.title == "Gates before the champion's place: 1 does not pass"
    assert len(section.rows) == len(NAMES)
    (told,) = [note for note in section.notes if note.startswith("calibration_slope: ")]
    assert "missed by 0.1. What to do: below 1 risks are too extreme" in told
