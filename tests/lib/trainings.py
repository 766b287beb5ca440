"""Configurations of trainings that compare and validate as little as a test needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def small_training(*, compare: Sequence[str], validation: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """A configuration for `write_toml`. `compare`: kinds of model. `validation`, `others`: what is not as here."""
    return {
        "config_version": 1,
        "label": "off_track",
        "as_of": ["11-30", "02-28"],
        "test_years": 1,
        "seed": 7,
        "candidates": {"compare": list(compare)},
        "validation": {"draws": 100, "shuffles": 100, "contrast_rows": 0, **validation},
        **others,
    }
