"""What a training is told to do: a TOML file, strictly read."""

from __future__ import annotations

import hashlib
import re
import tomllib
from datetime import date
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError, field_validator

from cis_ews.errors import ConfigError
from cis_ews.risk.labels import LABELS
from cis_ews.risk.registry import NAME
from cis_ews.wording import mistakes

DEFAULT = Path(__file__).parents[1] / "configs" / "training.toml"
FIRST_MONTH = 8
_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-([0-2][0-9]|3[01])", re.ASCII)


class TrainingConfig(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """What to learn, from which days of past school years, and how. Keys: configs/training.toml."""

    config_version: int = Field(ge=1, le=1)
    name: str = Field(default=NAME, pattern="^[A-Za-z0-9_-]{1,64}$")
    label: str
    as_of: tuple[str, ...] = Field(min_length=1)
    test_years: int = Field(ge=1, le=10)
    seed: int = Field(ge=0, lt=2**31)

    @field_validator("label")
    @classmethod
    def _known_label(cls, name: str) -> str:
        if name not in LABELS:
            raise ValueError(f"there is no such label; there are {', '.join(LABELS)}")
        return name

    @field_validator("as_of")
    @classmethod
    def _days_of_the_year(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        for day in days:
            if not _MONTH_DAY.fullmatch(day) or not _is_a_day(day):
                raise ValueError('write month and day, as in "02-28"')
        if len(set(days)) < len(days):
            raise ValueError("a day is named twice")
        return days

    def dates(self, school_year: int) -> list[date]:
        """The as-of dates of a school year (2026 is 2025-26), in order."""
        return sorted(_on(day, school_year) for day in self.as_of)

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
            wrong = "; ".join(mistakes(error, names=cls.model_fields))
            raise ConfigError(f"{path.name}: {wrong}", hint="configs/training.toml explains every key") from None


def _on(day: str, school_year: int) -> date:
    month, number = (int(part) for part in day.split("-"))
    return date(school_year - (month >= FIRST_MONTH), month, number)


def _is_a_day(day: str) -> bool:
    """Whether it is a day of every year: February 29 is not."""
    try:
        _on(day, 2027)
    except ValueError:
        return False
    return True
