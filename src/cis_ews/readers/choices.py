"""What a district may choose of how a known format is read: a TOML with `reader = "..."`, unlike a mapping."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
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


def load_choices(
    path: Path,
    choices: type[Choices],
    *,
    page: str,
    sections: Iterable[type[BaseModel]] = (),
    context: object = None,
) -> Choices:
    """The choices of a TOML. Raises ConfigError that names the key of every mistake; `page` explains them.

    `sections`: of which the TOML may have several. `context`: what its checks have to know besides.
    """
    try:
        stated: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return choices.model_validate(stated, context=context)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file", hint="check the path") from None
    except OSError:
        raise ConfigError(f"{path}: the file cannot be read", hint="give the path of a TOML file") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name}: this is no TOML: {error}", hint=f"{page} has an example") from None
    except ValidationError as error:
        names = {field.alias or name for model in (choices, *sections) for name, field in model.model_fields.items()}
        raise ConfigError(
            f"{path.name}: {'; '.join(mistakes(error, names=names))}",
            hint=f"{page} explains every key",
            keys=[".".join(str(part) for part in each["loc"]) for each in error.errors()],
        ) from None
