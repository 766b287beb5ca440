"""What a district may choose of how its OneRoster is read: a TOML with `reader = "oneroster"` (docs/oneroster.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cis_ews.readers.choices import load_choices

READER = "oneroster"
Identifier = Annotated[str, Field(pattern=r"^(sourcedId|identifier|userMasterIdentifier|userIds:.+)$")]


class OneRosterConfig(BaseModel):
    """`student_id`: where a student's id stands, the first that at least half of the students have.

    `school_id`: the column of orgs. `final_categories`: titles of categories whose results are report card grades.
    `missing_is_zero`: whether a result that is missing counts as no points.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    config_version: Literal[1] = 1
    reader: Literal["oneroster"] = READER
    student_id: Annotated[tuple[Identifier, ...], Field(min_length=1)] = (
        "userMasterIdentifier",
        "identifier",
        "sourcedId",
    )
    school_id: Literal["sourcedId", "identifier"] = "sourcedId"
    final_categories: tuple[str, ...] = ("Final Grade", "Final Grades", "Course Grade", "Report Card Grade")
    missing_is_zero: bool = False


def load_oneroster(path: Path) -> OneRosterConfig:
    """The choices of a TOML. Raises ConfigError that names the key of every mistake."""
    return load_choices(path, OneRosterConfig, page="docs/oneroster.md")
