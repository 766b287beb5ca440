"""JSON of others by its shape."""

from __future__ import annotations

from typing import Any, cast


def as_list(value: Any) -> list[Any] | None:
    """A list, or None where it is something else."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def as_object(value: Any) -> dict[str, Any] | None:
    """An object, or None where it is something else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
