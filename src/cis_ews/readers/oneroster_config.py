"""What a district may choose of how its OneRoster is read: a TOML with `reader = "oneroster"` (docs/oneroster.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cis_ews.errors import ConfigError
from cis_ews.wording import mistakes

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


def is_oneroster(path: Path) -> bool:
    """Whether a TOML speaks of OneRoster; what is no TOML is for the reader of mappings to refuse."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")).get("reader") == READER
    except (OSError, ValueError):
        return False


def load_oneroster(path: Path) -> OneRosterConfig:
    """The choices of a TOML. Raises ConfigError that names the key of every mistake."""
    stated: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return OneRosterConfig.model_validate(stated)
    except ValidationError as error:
        found = mistakes(error, names=set(OneRosterConfig.model_fields))
        raise ConfigError(f"{path.name}: {'; '.join(found)}", hint="docs/oneroster.md explains every key") from None
