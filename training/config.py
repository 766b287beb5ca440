"""What a training is told to do: a TOML file, strictly read."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError, field_validator

from cis_ews.errors import ConfigError
from cis_ews.risk.labels import LABELS
from cis_ews.risk.registry import NAME
from cis_ews.risk.supported import Supported
from cis_ews.wording import mistakes
from training.dates import is_date_rule

DEFAULT = Path(__file__).parents[1] / "configs" / "training.toml"
FEWEST_SHUFFLES = 100
BLEND, TUNED = "blend", "tuned blend"
CANDIDATES = (
    "straight lines",
    "lines with bends",
    "lines pooled over grade bands",
    "lines of each grade band",
    "trees",
    BLEND,
    TUNED,
)
"""The kinds of model that are compared, simplest first (`training.candidates`)."""


class ValidationConfig(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """How a training is validated (docs/validation.md). Keys: configs/training.toml, `[validation]`."""

    as_of: tuple[str, ...] = Field(default=("day 20", "day 40", "day 60", "term ends", "06-01"), min_length=1)
    draws: int = Field(default=500, ge=100, le=10_000)
    shuffles: int = Field(default=199, ge=FEWEST_SHUFFLES, le=10_000)
    contrast_rows: int = Field(default=20_000, ge=0)
    students_again: bool = True
    trusted: tuple[str, ...] = ()

    @field_validator("as_of")
    @classmethod
    def _dates_of_a_year(cls, dates: tuple[str, ...]) -> tuple[str, ...]:
        return _date_rules(dates)


class PromotionConfig(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """The bounds of the gates (docs/promotion.md). Keys: configs/training.toml, `[promotion]`."""

    margin_champion: float = Field(default=0.02, ge=0.0, le=1.0)
    margin_rules: float = Field(default=0.0, ge=0.0, le=1.0)
    slope_low: float = Field(default=0.8, gt=0.0, le=1.0)
    slope_high: float = Field(default=1.2, ge=1.0, le=5.0)
    gap_growth: float = Field(default=0.05, ge=0.0, le=1.0)
    top3_overlap: float = Field(default=0.8, ge=0.0, le=1.0)


class CandidatesConfig(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """Which kinds of model are compared, and how much is searched. Keys: configs/training.toml, `[candidates]`."""

    compare: tuple[str, ...] = Field(default=CANDIDATES, min_length=1)
    trials: int = Field(default=5, ge=0, le=1_000)
    rows: int = Field(default=10_000, ge=500)

    @field_validator("compare")
    @classmethod
    def _known_candidates(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not set(names) <= set(CANDIDATES):
            raise ValueError(f"there is no such candidate; there are {', '.join(CANDIDATES)}")
        if len(set(names)) < len(names):
            raise ValueError("a candidate is named twice")
        return names


class TrainingConfig(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """What to learn, from which days of past school years, and how. Keys: configs/training.toml."""

    config_version: int = Field(ge=1, le=1)
    name: str = Field(default=NAME, pattern="^[A-Za-z0-9_-]{1,64}$")
    label: str
    as_of: tuple[str, ...] = Field(min_length=1)
    test_years: int = Field(ge=1, le=10)
    seed: int = Field(ge=0, lt=2**31)
    supported: Supported = Supported.CENSOR
    candidates: CandidatesConfig = CandidatesConfig()
    validation: ValidationConfig = ValidationConfig()
    promotion: PromotionConfig = PromotionConfig()

    @field_validator("label")
    @classmethod
    def _known_label(cls, name: str) -> str:
        if name not in LABELS:
            raise ValueError(f"there is no such label; there are {', '.join(LABELS)}")
        return name

    @field_validator("as_of")
    @classmethod
    def _days_of_the_year(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        return _date_rules(days)

    @property
    def hash(self) -> str:
        """SHA-256 of everything the file says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @classmethod
    def load(cls, path: Path = DEFAULT) -> TrainingConfig:
        """Read a file. Raises ConfigError where it is not there, is no TOML, or has a mistake."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError:
            raise ConfigError(f"The training file {path} cannot be read", hint="see configs/training.toml") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            raise ConfigError(f"The training file {path} is not TOML", hint="see configs/training.toml") from None
        except ValidationError as error:
            parts = (cls, CandidatesConfig, ValidationConfig, PromotionConfig)
            names = {name for part in parts for name in part.model_fields}
            wrong = "; ".join(mistakes(error, names=names))
            raise ConfigError(f"{path.name}: {wrong}", hint="configs/training.toml explains every key") from None


def _date_rules(rules: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(is_date_rule, rules)):
        raise ValueError('write month and day, as in "02-28", a day of school, as in "day 20", or "term ends"')
    if len(set(rules)) < len(rules):
        raise ValueError("a day is named twice")
    return rules
