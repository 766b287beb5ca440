"""What to make up: sizes, years, seed; and the random streams, one for each purpose."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from enum import IntEnum
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cis_ews.errors import ConfigError

Array = npt.NDArray[Any]
Format = Literal["csv", "parquet"]
Attendance = Literal["exceptions", "positive"]
MINIMUM_STUDENTS = 100
MAXIMUM_STUDENTS = 5_000_000


class Stream(IntEnum):
    """Purposes that draw random numbers; a draw more for one of them leaves the others as they were."""

    DISTRICTS = 0
    CALENDAR = 1
    ROSTER = 2
    MOBILITY = 3
    BEHAVIOR = 4
    ATTENDANCE = 5
    COURSEWORK = 6
    OUTCOMES = 7
    SUPPORTS = 8
    DIRT = 9
    MINOR_INCIDENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The arguments of `write_district`, checked; raises `ConfigError`.

    `state`: write as a state's system would, in volumes and in parts; what `write_state` asks for.
    """

    students: int = 2400
    years: int = 3
    seed: int = 7
    districts: int = 1
    last_school_year: int = 2026
    format: Format = "csv"
    dirt: bool = True
    through: date | None = None
    attendance: Attendance = "exceptions"
    summaries: bool = False
    state: bool = False

    def __post_init__(self) -> None:
        """Check every argument against its range."""
        _check_range("students", self.students, (MINIMUM_STUDENTS * max(self.districts, 1), MAXIMUM_STUDENTS))
        _check_range("years", self.years, (1, 12))
        _check_range("seed", self.seed, (0, 2**63 - 1))
        _check_range("districts", self.districts, (1, 1000))
        _check_range("last_school_year", self.last_school_year, (2003, 2100))
        if self.format not in ("csv", "parquet"):
            raise ConfigError(f"unknown format {self.format!r} of a made-up district", hint="choose csv or parquet")
        if self.attendance not in ("exceptions", "positive"):
            raise ConfigError(
                f"unknown attendance {self.attendance!r} of a made-up district", hint="choose exceptions or positive"
            )
        if self.through is not None:
            self._check_through(self.through)

    def _check_through(self, through: date) -> None:
        first, last = date(self.last_school_year - 1, 10, 1), date(self.last_school_year, 8, 31)
        if not first <= through <= last:
            raise ConfigError(
                f"through is {through.isoformat()}, which is not in the last school year",
                hint=f"choose a day from {first.isoformat()} to {last.isoformat()}",
            )

    @property
    def school_years(self) -> tuple[int, ...]:
        """School years of the extract, earliest first."""
        return tuple(range(self.last_school_year - self.years + 1, self.last_school_year + 1))

    def is_summed_up(self, index: int) -> bool:
        """Whether a year, by its index, has a summary in place of its daily rows."""
        return self.summaries and index < self.years - 1

    def generator(self, stream: Stream, *key: int) -> np.random.Generator:
        """Random numbers of one purpose in one place (a district, a block of students, a year)."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(int(stream), *key)))

    def to_dict(self) -> dict[str, object]:
        """The arguments as plain values for JSON."""
        return {**asdict(self), "through": None if self.through is None else self.through.isoformat()}


def _check_range(name: str, value: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}", hint=f"choose a number from {low} to {high}")
