"""The tier policy: TOML, with the shipped defaults beneath it, key by key."""

from __future__ import annotations

import hashlib
import tomllib
from decimal import Decimal
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from cis_ews.errors import ConfigError
from cis_ews.risk.rule_terms import FlagRule, RuleKind, Share
from cis_ews.risk.rule_terms import leaves as leaves_of
from cis_ews.risk.rules import RULES
from cis_ews.wording import mistakes

DEFAULTS = files("cis_ews") / "defaults" / "tier_policy.toml"
_RULES = {rule.name: rule for rule in RULES}


def exact_share(value: object) -> object:
    """A share as it was written: 0.29 of 100 students is 29, not the 28 that binary fractions make of it."""
    return Decimal(str(value)) if isinstance(value, float) else value


class Capacity(BaseModel, frozen=True, extra="forbid"):
    """How many students the coordinator of a school can carry: a share of the school's scored students, a number, or
    both, and then the smaller; at least one."""

    share: Decimal | None = Field(default=None, gt=0, le=1)
    number: int | None = Field(default=None, ge=1)

    @field_validator("share", mode="before")
    @classmethod
    def _exact_share(cls, value: object) -> object:
        return exact_share(value)

    @model_validator(mode="after")
    def _says_something(self) -> Capacity:
        if self.share is None and self.number is None:
            raise ValueError("a capacity needs a share, a number or both")
        return self

    def of(self, scored: int) -> int:
        """Places on the list of a school with so many scored students."""
        limits = [
            limit
            for limit in (self.number, None if self.share is None else int(self.share * scored))
            if limit is not None
        ]
        return max(1, min(limits))


class TierRule(NamedTuple):
    """A rule, or one of its levels and the more severe ones, that asks for a tier."""

    rule: FlagRule
    levels: tuple[str | None, ...]
    tier: int

    @property
    def needs_a_rate(self) -> bool:
        """Whether the rule hangs on a share of this year's days, which says little after a few days."""
        shares = [leaf for level in self.rule.levels for leaf in leaves_of(level.when) if isinstance(leaf, Share)]
        return any(share.whole == "days_enrolled_ytd" for share in shares)


class TierPolicy(BaseModel, frozen=True, extra="forbid"):
    """Which flag rules and which risk put a student into Tier 2 and 3, and how long the list of a school may be.

    `tier_2_rules`, `tier_3_rules`: names of flag rules; `name:level` is that level and the more severe ones.
    `minimum_days_enrolled`: below it, neither shares of days nor a model count. `tier_2_risk`, `tier_3_risk`: from this
    calibrated probability on, a model asks for the tier. `places_for_rules`: the share of each list that rules alone
    fill, whatever a model says. `capacity`: for every school that is not in `capacity_by_school`.
    """

    config_version: int = Field(ge=1, le=1)
    minimum_days_enrolled: int = Field(ge=0, le=366)
    tier_3_rules: tuple[str, ...]
    tier_2_rules: tuple[str, ...]
    tier_3_risk: float = Field(gt=0, le=1)
    tier_2_risk: float = Field(gt=0, le=1)
    places_for_rules: Decimal = Field(ge=0, le=1)
    capacity: Capacity
    capacity_by_school: dict[str, Capacity] = {}

    @field_validator("tier_2_rules", "tier_3_rules")
    @classmethod
    def _known_rules(cls, references: tuple[str, ...]) -> tuple[str, ...]:
        for reference in references:
            tier_rule(reference, tier=2)
        twice = sorted({reference for reference in references if references.count(reference) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return references

    @field_validator("places_for_rules", mode="before")
    @classmethod
    def _exact_places(cls, value: object) -> object:
        return exact_share(value)

    @model_validator(mode="after")
    def _asks_something(self) -> TierPolicy:
        if not self.tier_2_rules and not self.tier_3_rules:
            raise ValueError("tier_2_rules and tier_3_rules are both empty: nobody would ever be flagged")
        if self.tier_3_risk < self.tier_2_risk:
            raise ValueError("tier_3_risk is below tier_2_risk: the intensive tier needs the higher risk")
        return self

    @property
    def rules(self) -> tuple[TierRule, ...]:
        """Tier 3 first, in the order of the policy."""
        intensive = [tier_rule(reference, tier=3) for reference in self.tier_3_rules]
        return (*intensive, *(tier_rule(reference, tier=2) for reference in self.tier_2_rules))

    @property
    def hash(self) -> str:
        """SHA-256 of everything the policy says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def places(self, school_id: str, scored: int) -> int:
        """How long the list of a school may be."""
        return self.capacity_by_school.get(school_id, self.capacity).of(scored)

    def rule_places(self, places: int) -> int:
        """How many of so many places only rules fill; a share of a place is a whole one."""
        return ceil(self.places_for_rules * places)

    @classmethod
    def load(cls, path: str | Path | None = None) -> TierPolicy:
        """The shipped policy, with the keys of a TOML file in place of its own. Raises ConfigError."""
        settings = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
        settings |= {} if path is None else _read(Path(path))
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            wrong = "; ".join(mistakes(error, names={*cls.model_fields, *Capacity.model_fields}))
            place = "the shipped tier policy" if path is None else Path(path).name
            raise ConfigError(f"{place}: {wrong}", hint="docs/rules.md lists the rules and their levels") from None


def tier_rule(reference: str, *, tier: int) -> TierRule:
    """Look up `name` or `name:level`. Raises ValueError if there is none, or if the rule is no flag."""
    name, _, level = reference.partition(":")
    rule = _RULES.get(name)
    if rule is None:
        raise ValueError(f"there is no rule {name}")
    if rule.kind != RuleKind.FLAG:
        # The truancy ladder tells a school what it owes a family; it never places a child.
        raise ValueError(f"{name} is a {rule.kind.value}, and only flags put a student into a tier")
    levels = [each.name for each in rule.levels]
    if level and level not in levels:
        raise ValueError(f"{name} has no level {level}")
    return TierRule(rule, tuple(levels[: levels.index(level) + 1] if level else levels), tier)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no tier policy {path.name}", hint="give the path of a TOML file") from None
    except OSError:
        raise ConfigError(f"the tier policy {path.name} cannot be read", hint="give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}", hint="see configs/tier_policy.toml") from None
