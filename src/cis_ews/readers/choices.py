"""What a district may choose of how a known format is read: a TOML with `reader = "..."`, unlike a mapping."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cis_ews.errors import ConfigError
from cis_ews.wording import mistakes

Choices = TypeVar("Choices", bound=BaseModel)


def reader_named_in(path: Path) -> str | None:
    """The reader that a TOML speaks of; what is no TOML is for the reader of mappings to refuse."""
    try:
        named = tomllib.loads(path.read_text(encoding="utf-8")).get("reader")
    except (OSError, ValueError):
        return None
    return named if isinstance(named, str) else None


def load_choices(path: Path, choices: type[Choices], *, page: str) -> Choices:
    """The choices of a TOML. Raises ConfigError that names the key of every mistake; `page` explains them."""
    stated: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return choices.model_validate(stated)
    except ValidationError as error:
        found = mistakes(error, names=set(choices.model_fields))
        raise ConfigError(f"{path.name}: {'; '.join(found)}", hint=f"{page} explains every key") from None
