"""What a district may choose of how its CEDARS files are read: a TOML with `reader = "cedars"` (docs/cedars.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cis_ews.enums import DisciplineActionType, ExitType, GradeLevel
from cis_ews.readers.cedars_fields import COLUMNS, TITLES
from cis_ews.readers.choices import load_choices

READER = "cedars"
NO_ACTION = "none"
CODES = ("full_absences", "partial_absences", "actions", "grade_levels", "withdrawals", "ethnicities", "races")
Excuse = Literal["excused", "unexcused"]

FULL_ABSENCES: Mapping[str, Excuse] = {"UF": "unexcused", "EF": "excused"}
PARTIAL_ABSENCES: Mapping[str, Excuse] = {"UP": "unexcused", "EP": "excused"}
ACTIONS: Mapping[str, DisciplineActionType | Literal["none"]] = {
    "EX": DisciplineActionType.EXPULSION,
    "LS": DisciplineActionType.LONG_TERM_SUSPENSION,
    "SS": DisciplineActionType.SHORT_TERM_SUSPENSION,
    "IS": DisciplineActionType.IN_SCHOOL_SUSPENSION,
    "EE": DisciplineActionType.EMERGENCY_EXPULSION,
    "CE": DisciplineActionType.CLASSROOM_EXCLUSION,
    "NA": NO_ACTION,
}
GRADE_LEVELS: Mapping[str, GradeLevel] = {
    **{grade.value: grade for grade in GradeLevel},
    **{f"0{number}": GradeLevel(str(number)) for number in range(1, 10)},
    "KG": GradeLevel.K,
}


class CedarsConfig(BaseModel):
    """`student_id`: the district's id or the state's. `partial_day`: the part of a day that a partial absence misses.

    `holidays`: weekdays without school, for a calendar that is derived. `files`, `headings`: further names of files and
    columns, by the letter of the file. The others say what the codes of a column mean; they come on top of what is
    known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    config_version: Literal[1] = 1
    reader: Literal["cedars"] = READER
    student_id: Literal["district", "ssid"] = "district"
    partial_day: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)] = 0.25
    holidays: tuple[date, ...] = ()
    files: Mapping[str, tuple[str, ...]] = {}
    headings: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    full_absences: Mapping[str, Excuse] = FULL_ABSENCES
    partial_absences: Mapping[str, Excuse] = PARTIAL_ABSENCES
    actions: Mapping[str, DisciplineActionType | Literal["none"]] = ACTIONS
    grade_levels: Mapping[str, GradeLevel] = GRADE_LEVELS
    withdrawals: Mapping[str, ExitType] = {}
    ethnicities: Mapping[str, str] = {}
    races: Mapping[str, str] = {}

    @field_validator("files")
    @classmethod
    def _known_letters(cls, files: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        unknown = [letter for letter in files if letter not in TITLES]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no file of CEDARS")
        if any(".." in PurePosixPath(each).parts or each.startswith("/") for named in files.values() for each in named):
            raise ValueError("files are named below the folder of the source")
        return files

    @field_validator("headings")
    @classmethod
    def _known_columns(
        cls, headings: Mapping[str, Mapping[str, tuple[str, ...]]]
    ) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        for letter, columns in headings.items():
            if letter not in COLUMNS:
                raise ValueError(f"{letter} is no file that is read; these are {', '.join(COLUMNS)}")
            unknown = [column for column in columns if column not in COLUMNS[letter]]
            if unknown:
                raise ValueError(f"{letter}: {', '.join(unknown)} is none of {', '.join(COLUMNS[letter])}")
        return headings

    @field_validator(
        "full_absences", "partial_absences", "actions", "grade_levels", "withdrawals", "ethnicities", "races"
    )
    @classmethod
    def _on_top(cls, codes: Mapping[str, Any], info: Any) -> Mapping[str, Any]:
        """A district's codes beside the shipped ones, which they outweigh."""
        shipped: Mapping[str, Any] = cls.model_fields[info.field_name].default
        return {**shipped, **{code.strip().upper(): value for code, value in codes.items()}}


def load_cedars(path: Path) -> CedarsConfig:
    """The choices of a TOML. Raises ConfigError that names the key of every mistake."""
    return load_choices(path, CedarsConfig, page="docs/cedars.md")
