"""The page of the flag rules, rendered from the rules: `python -m tests.lib.rule_page` writes docs/rules.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch
from pathlib import Path

from cis_ews.enums import GradeLevel
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_engine import needed_columns
from cis_ews.risk.rule_terms import (
    AllOf,
    AnyOf,
    AtLeast,
    Condition,
    Evidence,
    FlagRule,
    Is,
    Level,
    Number,
    OneOf,
    RuleKind,
    Season,
    Share,
    inputs,
)
from cis_ews.risk.rules import RULES, RulesModel
from cis_ews.risk.tier_policy import TierPolicy
from tests.lib.rule_cases import CASES, HOLDS, frame_of

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
KINDS = {
    RuleKind.FLAG: "Flags",
    RuleKind.DUTY: "Duties of the school (Washington's truancy ladder)",
    RuleKind.STRENGTH: "Strengths",
}
EVIDENCE = {
    Evidence.PRIMARY: "primary source seen",
    Evidence.SECONDARY: "secondary source",
    Evidence.RECALLED: "recalled, to be verified",
    Evidence.OWN: "this project's own",
}
INTRODUCTION = """# Flag rules

Made from the rules in `cis_ews.risk.rules` by `python -m tests.lib.rule_page`; a test fails when the page is stale.

A flag rule is a published threshold on indicators. Cut-offs are exact: `>=` and `<=` take the number itself in, `>` and
`<` leave it out, and shares of days are compared in whole numbers, so exactly 10 % is at least 10 %. A share is asked
only of 20 days enrolled or more. The sentence beside a cut-off is what the rule says of a student who is at it.

**Three outcomes.** A rule holds, does not hold, or abstains: where its outcome hangs on an input that is missing, it
gives no result but the names of what is missing. It does not abstain where the other inputs decide. A rule with levels
gives the most severe level that is known to hold; where a more severe one cannot be ruled out, it also names what that
would need. A rule that is not asked (another grade, another season, another version of the law) says nothing.

**Use.** A flag opens a conversation about support. It never decides on placement, discipline or any step before a
court, and no rule reads who a child is: no race, gender, language, income, disability, address, age or name.
"""
TIERS = """## The shipped tier policy

Tier 3: {tier_3}.

Tier 2: {tier_2}.

A school's list has room for {share} % of its scored students, {number} at most and 1 at least. It is filled by Tier 3
first, then by the number of flags that hold, then by the absence rate; what is still equal is put in the order of a
hash of the student's id, which is the same every night. A student beyond the room stays in Tier 1, and the reason says
that the list was full and which rule holds.

**With a trained model** ([model.md](model.md)), the model also asks: for Tier 3 from a calibrated probability of
{tier_3_risk} on and for Tier 2 from {tier_2_risk} on. The higher tier counts, so no model takes away what a rule asks
for. The list is then filled by tier and, within a tier, by risk; but {kept} % of its places (rounded up) go to the
students who would stand first on it in a night without a model: whatever a model says, it cannot crowd them out. The
tier's reason says whether a rule or the model decided, and whether the other one agrees.

Not enough data: fewer than {days} days enrolled, unless a rule of the policy holds that needs no share of these days (a
child who missed 8 of the first 10 days is seen); or none of the policy's rules for the grade could be asked.

The set is small on purpose: published definitions that together cover all grades and the three domains, and that are in
use in Washington or were tested where they come from. `src/cis_ews/defaults/tier_policy.toml` says why each one is
there; `configs/tier_policy.toml` changes it.
"""
MONTHS = "January February March April May June July August September October November December"


@singledispatch
def said(condition: Condition) -> str:
    """A condition in a formula that a person can read."""
    raise TypeError(type(condition).__name__)


@said.register
def _number(condition: Number) -> str:
    return f"{' + '.join(inputs(condition))} {condition.comparison} {condition.threshold:g}"


@said.register
def _share(condition: Share) -> str:
    return f"{condition.indicator} {condition.comparison} {condition.percent} %"


@said.register
def _is(condition: Is) -> str:
    return condition.indicator


@said.register
def _one_of(condition: OneOf) -> str:
    return f"{condition.indicator} is {' or '.join(condition.values)}"


@said.register
def _season(condition: Season) -> str:
    until = "" if condition.until is None else f", before {_day(condition.until)}"
    return f"from {_day(condition.first)}{until}"


@said.register
def _all_of(condition: AllOf) -> str:
    return _joined(condition.conditions, " and ")


@said.register
def _any_of(condition: AnyOf) -> str:
    return _joined(condition.conditions, " or ")


@said.register
def _at_least(condition: AtLeast) -> str:
    return f"at least {condition.count} of: {_joined(condition.conditions, '; ')}"


def _joined(parts: Sequence[Condition], word: str) -> str:
    return word.join(f"({said(part)})" if isinstance(part, AllOf | AnyOf) else said(part) for part in parts)


def _day(month_day: tuple[int, int]) -> str:
    return f"{MONTHS.split()[month_day[0] - 1]} {month_day[1]}"


def render_page(rules: Iterable[FlagRule] = RULES) -> str:
    """The whole page."""
    known = tuple(rules)
    sections = [_section(title, [rule for rule in known if rule.kind == kind]) for kind, title in KINDS.items()]
    return "\n".join([INTRODUCTION, _policy(), *sections, *_missing_inputs(known)]).rstrip() + "\n"


def _policy() -> str:
    policy = TierPolicy.load()
    return TIERS.format(
        tier_3=_code(policy.tier_3_rules),
        tier_2=_code(policy.tier_2_rules),
        share=int(100 * (policy.capacity.share or 0)),
        number=policy.capacity.number,
        days=policy.minimum_days_enrolled,
        tier_3_risk=policy.tier_3_risk,
        tier_2_risk=policy.tier_2_risk,
        kept=int(100 * policy.places_for_rules),
    )


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(title: str, rules: Sequence[FlagRule]) -> str:
    return "\n".join([f"## {title}\n", *(_rule(rule) for rule in rules)])


def _rule(rule: FlagRule) -> str:
    lines = [
        f"### {rule.name}\n",
        f"**{rule.title}** ({rule.authority}). {rule.source} [{rule.evidence.value}: {EVIDENCE[rule.evidence]}].\n",
        f"- Grades: {_grades(rule.grades)}. Window: {rule.window}.{_dates(rule)}",
    ]
    lines += [f"- {label}: {text}." for label, text in (("Read as", rule.note), ("Accuracy", rule.accuracy)) if text]
    table = ["", "| level | holds when | for example |", "|---|---|---|"]
    rows = [f"| {level.name or ''} | {said(level.when)} | {example(rule, level)} |" for level in rule.levels]
    return "\n".join([*lines, *table, *rows, ""])


def example(rule: FlagRule, level: Level) -> str:
    """What the rule says of the first student in the table of cut-offs who is at this level."""
    case = next(case for case in CASES if case.rule == rule.name and case.expected == (level.name or HOLDS))
    return RulesModel((rule.name,)).evaluate(frame_of(case), as_of=case.as_of).item(0, "sentence")


def _grades(grades: tuple[GradeLevel, ...] | None) -> str:
    if grades is None:
        return "any"
    adjacent = len(grades) > 2
    return f"{grades[0]} to {grades[-1]}" if adjacent else ", ".join(grades)


def _dates(rule: FlagRule) -> str:
    since = "" if rule.effective_from is None else f" In force from {rule.effective_from}."
    return since + ("" if rule.effective_to is None else f" In force until {rule.effective_to}.")


def _missing_inputs(rules: Sequence[FlagRule]) -> Iterator[str]:
    yield "## Inputs that school data do not have\n"
    yield "A deployment that has one adds a column of this name to the indicators.\n"
    yield "| input | meaning | rules that ask for it |\n|---|---|---|"
    for name, meaning in EXTERNAL_INPUTS.items():
        asking = [rule.name for rule in rules if name in needed_columns(rule)]
        yield f"| `{name}` | {meaning} | {_code(asking)} |"


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
