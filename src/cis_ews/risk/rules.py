"""The flag rules, and the model that turns chosen rules into results and reasons."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import cast

import dataframely as dy
import polars as pl

from cis_ews.errors import ConfigError, ModelError
from cis_ews.risk.rule_catalog.attendance import ATTENDANCE_RULES
from cis_ews.risk.rule_catalog.behavior import BEHAVIOR_RULES
from cis_ews.risk.rule_catalog.combined import COMBINED_RULES
from cis_ews.risk.rule_catalog.coursework import COURSEWORK_RULES
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_catalog.strengths import STRENGTH_RULES
from cis_ews.risk.rule_catalog.truancy import TRUANCY_RULES
from cis_ews.risk.rule_engine import needed_columns, on_date
from cis_ews.risk.rule_reasons import DAYS, rank_reasons
from cis_ews.risk.rule_results import SAID, Evaluated, results_of
from cis_ews.risk.rule_terms import FlagRule
from cis_ews.risk.sentences import FACTS
from cis_ews.schema.coded import CodedTable
from cis_ews.schema.scores import Reasons, RuleResults
from cis_ews.wording import counted

__all__ = ["RULES", "FlagRule", "RulesModel", "rules_named"]

RULES: tuple[FlagRule, ...] = (
    *ATTENDANCE_RULES,
    *BEHAVIOR_RULES,
    *COURSEWORK_RULES,
    *COMBINED_RULES,
    *TRUANCY_RULES,
    *STRENGTH_RULES,
)
"""Every rule; among rules of equal concern the first speaks."""
_BY_NAME = {rule.name: rule for rule in RULES}
REASONS_SHOWN = 5


def rules_named(names: Sequence[str]) -> tuple[FlagRule, ...]:
    """Rules by name, in the order of `RULES`. Raises ConfigError for an unknown name."""
    unknown = sorted(set(names) - _BY_NAME.keys())
    if unknown:
        raise ConfigError(f"unknown flag rules: {', '.join(unknown)}", hint="the names are listed in docs/rules.md")
    return tuple(rule for rule in RULES if rule.name in set(names))


@dataclass(frozen=True, slots=True)
class RulesModel:
    """Chosen flag rules, by name; all of them by default. Raises ConfigError for an unknown name."""

    rules: tuple[str, ...] = tuple(_BY_NAME)

    def __post_init__(self) -> None:
        rules_named(self.rules)

    @property
    def version(self) -> str:
        """`rules-` and a hash of everything that the chosen rules say, their facts in words included."""
        facts = {indicator: _plain(fact) for indicator, fact in FACTS.items()}
        text = json.dumps([facts, *(_plain(rule) for rule in rules_named(self.rules))], sort_keys=True)
        return f"rules-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def evaluate(self, indicators: pl.DataFrame, *, as_of: date) -> dy.DataFrame[RuleResults]:
        """One row a student and rule that holds or abstains, sorted by student and rule.

        A rule abstains where its outcome hangs on a missing input, and names it; a rule that holds at one level while
        a more severe level cannot be ruled out names what that would need. A rule that is not asked (another grade,
        another season, another version of the law) gives no row. Raises ModelError if indicators lack a column.
        """
        return RuleResults.cast(results_of(self.evaluated(indicators, as_of=as_of)).decoded())

    def evaluated(self, indicators: pl.DataFrame, *, as_of: date) -> Evaluated:
        """What the rules make of students, from which their results and reasons are told. As `evaluate` otherwise."""
        asked = self._asked(as_of)
        return Evaluated.of(on_date(_with_external_inputs(indicators, asked), as_of), asked, DAYS)

    def reasons(
        self, indicators: pl.DataFrame, results: pl.DataFrame, *, as_of: date, limit: int = REASONS_SHOWN
    ) -> dy.DataFrame[Reasons]:
        """What the rules that hold say, at most `limit` risks and `limit` strengths a student, ranked.

        Rules that speak of the same thing give one reason, that of the most severe; the order is by concern, then by
        what a conversation can change soonest (`sentences.FACTS`).
        """
        evaluated, coded = self.evaluated(indicators, as_of=as_of), CodedTable.of(results, SAID)
        return Reasons.cast(rank_reasons(evaluated, coded, limit=limit).decoded())

    def _asked(self, as_of: date) -> tuple[FlagRule, ...]:
        return tuple(rule for rule in rules_named(self.rules) if rule.in_force(as_of))


def _plain(part: object) -> object:
    """Everything that a rule says, the kinds of its conditions too, in plain values for a hash."""
    if is_dataclass(part):
        said = {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
        return {"kind": type(part).__name__, **said}
    if isinstance(part, tuple):
        return [_plain(each) for each in cast("tuple[object, ...]", part)]
    return part if part is None or isinstance(part, int | float | str) else str(part)


def _with_external_inputs(indicators: pl.DataFrame, rules: Sequence[FlagRule]) -> pl.DataFrame:
    """Add what school data never have as null; a deployment that has it adds the column to the indicators."""
    needed = {name for rule in rules for name in needed_columns(rule)}
    absent = sorted(needed - set(indicators.columns))
    lacking = [name for name in absent if name not in EXTERNAL_INPUTS]
    if lacking:
        raise ModelError(
            f"the indicators lack {counted(len(lacking), 'column')} that flag rules read: {', '.join(lacking)}",
            hint="make them with compute_indicators of this version",
        )
    return indicators.with_columns(pl.lit(None, dtype=pl.Int32).alias(name) for name in absent)
