"""Early warning for schools: attendance, behavior and coursework indicators, rules, a trained model, explained tiers.

    from datetime import date
    import cis_ews

    school_data = cis_ews.read_school_data("extract")
    indicators = cis_ews.compute_indicators(school_data, date(2026, 2, 27))

Heavy parts load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cis_ews.errors import (
        ConfigError,
        DataError,
        EwsError,
        ModelError,
        ReadError,
        RunDamagedError,
        RunNotFoundError,
        SchemaError,
        StorageError,
        StoreLockedError,
        ToleranceError,
        UnmappedCodesError,
    )
    from cis_ews.evaluation.accuracy import evaluate
    from cis_ews.indicators import compute_indicators
    from cis_ews.readers import read_school_data
    from cis_ews.risk.explanations import explain
    from cis_ews.risk.features import build_features
    from cis_ews.risk.labels import make_labels
    from cis_ews.risk.model import RiskModel
    from cis_ews.risk.model_recipe import Recipe
    from cis_ews.risk.rules import RulesModel
    from cis_ews.risk.tiers import TierPolicy
    from cis_ews.schema.school_data import SchoolData
    from cis_ews.scoring import ScoreRun, score_night

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "DataError",
    "EwsError",
    "ModelError",
    "ReadError",
    "Recipe",
    "RiskModel",
    "RulesModel",
    "RunDamagedError",
    "RunNotFoundError",
    "SchemaError",
    "SchoolData",
    "ScoreRun",
    "StorageError",
    "StoreLockedError",
    "TierPolicy",
    "ToleranceError",
    "UnmappedCodesError",
    "build_features",
    "compute_indicators",
    "evaluate",
    "explain",
    "make_labels",
    "read_school_data",
    "score_night",
]

_HOME = {
    "Recipe": "cis_ews.risk.model_recipe",
    "RiskModel": "cis_ews.risk.model",
    "RulesModel": "cis_ews.risk.rules",
    "SchoolData": "cis_ews.schema.school_data",
    "ScoreRun": "cis_ews.scoring",
    "TierPolicy": "cis_ews.risk.tiers",
    "build_features": "cis_ews.risk.features",
    "compute_indicators": "cis_ews.indicators",
    "evaluate": "cis_ews.evaluation.accuracy",
    "explain": "cis_ews.risk.explanations",
    "make_labels": "cis_ews.risk.labels",
    "read_school_data": "cis_ews.readers",
    "score_night": "cis_ews.scoring",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_HOME.get(name, "cis_ews.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
