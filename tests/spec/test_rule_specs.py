"""Every published rule at its exact cut-off, and that no rule, level, citation or sentence was left out."""

from __future__ import annotations

import re

import pytest

from cis_ews.indicators import INDICATORS_SCHEMA
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_engine import needed_columns
from cis_ews.risk.rule_terms import AtLeast, FlagRule, Level, Number, RuleKind, Season, Share, inputs, leaves
from cis_ews.risk.rules import RULES, RulesModel
from cis_ews.risk.sentences import FACTS, fact_of, fact_sentences
from cis_ews.risk.templates import template_fields
from cis_ews.schema.roster import Demographics, Students
from tests.lib.rule_cases import CASES, HOLDS, NO, RuleCase, frame_of
from tests.lib.rule_page import PAGE, example, render_page

UNKIND = (
    *("likely", "likelihood", r"probab\w+", r"risk\w*", r"danger\w*", "red", "bad", r"fail\w*", "dropout", "drop out"),
    *(r"truan\w+", r"petition\w*", "court", "police", r"offen\w+", r"problem\w*"),
)
by_name = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_at_its_cut_off(case: RuleCase) -> None:
    results = RulesModel((case.rule,)).evaluate(frame_of(case), as_of=case.as_of).to_dicts()
    assert [(row["status"], row["level"]) for row in results] == _expected(case)


def _expected(case: RuleCase) -> list[tuple[str, str | None]]:
    if case.expected == NO:
        return []
    return [("holds", None if case.expected == HOLDS else case.expected)]


@by_name
def test_every_level_has_a_case_that_holds_and_every_rule_one_that_does_not(rule: FlagRule) -> None:
    expected = {case.expected for case in CASES if case.rule == rule.name}
    assert expected - {NO} == {level.name or HOLDS for level in rule.levels}
    assert NO in expected


@by_name
def test_every_rule_says_where_it_comes_from_and_when_it_is_asked(rule: FlagRule) -> None:
    assert min(len(rule.title), len(rule.authority), len(rule.source), len(rule.window)) > 2
    assert re.fullmatch(r"[a-z][a-z0-9_]*", rule.name)
    assert len({level.name for level in rule.levels}) == len(rule.levels)
    assert len(rule.levels) == 1 or all(level.name for level in rule.levels)


@by_name
def test_a_rule_reads_indicators_or_names_what_school_data_do_not_have(rule: FlagRule) -> None:
    assert set(needed_columns(rule)) <= set(INDICATORS_SCHEMA) | EXTERNAL_INPUTS.keys()


@by_name
def test_the_cases_of_a_rule_fit_into_a_number(rule: FlagRule) -> None:
    read = {name for condition in rule.conditions for leaf in leaves(condition) for name in inputs(leaf)}
    facts = {fact for level in rule.levels for fact in fact_sentences(level.when)}
    assert len(read) + len(facts) + len(rule.levels).bit_length() < 63


@by_name
def test_no_rule_reads_who_a_child_is(rule: FlagRule) -> None:
    private = {*Demographics.column_names(), *Students.column_names()} - {"student_id"}
    assert private.isdisjoint(needed_columns(rule))


@by_name
def test_every_level_states_a_fact_and_a_share_is_asked_of_enough_days(rule: FlagRule) -> None:
    for condition in rule.conditions:
        ends = leaves(condition)
        assert any(fact_of(leaf) for leaf in ends)
        assert all(leaf.minimum_days >= 20 for leaf in ends if isinstance(leaf, Share))


@by_name
def test_every_sentence_finds_its_numbers(rule: FlagRule) -> None:
    sentences = [example(rule, level) for level in rule.levels]
    assert rule.title not in sentences
    assert [sentence for sentence in sentences if "{" in sentence or "None" in sentence] == []


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "write it anew: python -m tests.lib.rule_page"


@by_name
def test_sentences_are_short_plain_and_never_a_verdict(rule: FlagRule) -> None:
    for level in rule.levels:
        words = re.sub(r"\{[^}]*\}", "5", level.sentence).split()
        assert len(words) <= 32
        assert sum(map(len, words)) / len(words) < 6.5
        _assert_kind(level.sentence)


@pytest.mark.parametrize("indicator", FACTS)
def test_facts_are_plain_and_never_a_verdict(indicator: str) -> None:
    _assert_kind(FACTS[indicator].sentence)
    assert set(template_fields(FACTS[indicator].sentence)) <= set(INDICATORS_SCHEMA) | EXTERNAL_INPUTS.keys()


def _assert_kind(sentence: str) -> None:
    spoken = re.sub(r"\{\w+", "", sentence)
    assert re.search(rf"\b({'|'.join(UNKIND)})\b", spoken, flags=re.IGNORECASE) is None


def test_every_fact_is_used() -> None:
    read = {
        leaf.indicator
        for rule in RULES
        for level in rule.levels
        for leaf in leaves(level.when)
        if not isinstance(leaf, Season)
    }
    assert set(FACTS) <= read


def test_names_are_unique() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_the_ladder_tells_schools_of_duties_and_is_never_a_flag() -> None:
    ladder = [rule for rule in RULES if "28A.225" in rule.source]
    assert len(ladder) == 12
    assert {rule.kind for rule in ladder} == {RuleKind.DUTY}
    assert {level.concern for rule in ladder for level in rule.levels} == {1}


def test_older_and_newer_text_of_the_law_leave_no_gap_and_no_overlap() -> None:
    older = {rule.name.removesuffix("_before_2021"): rule for rule in RULES if rule.name.endswith("_before_2021")}
    newer = {rule.name: rule for rule in RULES if rule.name in older}
    assert older.keys() == newer.keys()
    for name, rule in newer.items():
        until, since = older[name].effective_to, rule.effective_from
        assert until is not None
        assert since is not None
        assert (since - until).days == 1


def test_levels_are_ordered_from_most_to_least_concern() -> None:
    concerns = [[level.concern for level in rule.levels] for rule in RULES]
    assert concerns == [sorted(each, reverse=True) for each in concerns]


def test_counts_of_signs_ask_for_no_more_signs_than_there_are() -> None:
    levels: list[Level] = [level for rule in RULES for level in rule.levels]
    counted = [level.when for level in levels if isinstance(level.when, AtLeast)]
    assert counted
    assert all(1 <= each.count <= len(each.conditions) for each in counted)


def test_sums_name_their_columns_and_single_numbers_do_not() -> None:
    numbers = [
        leaf for rule in RULES for level in rule.levels for leaf in leaves(level.when) if isinstance(leaf, Number)
    ]
    assert {bool(leaf.columns) for leaf in numbers if leaf.indicator in INDICATORS_SCHEMA} == {False}
