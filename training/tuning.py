"""A search for sizes of trees and penalties that suit a district's records, seeded and within a number of trials.

Trials are judged by the held-out log loss of folds within the rows that are learned from: what the search finds is
measured, as every other candidate, on rows that it has not seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from cis_ews.errors import ConfigError
from cis_ews.logs import get_log
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_recipe import DEFAULT, Recipe
from cis_ews.risk.model_trees import LARGER_FROM

STARTING = 4
"""Trials at random, before those that go by what the earlier ones have found."""
LEAVES, RATES = (4, 24), (0.02, 0.15)
OF_MANY_LEAVES, OF_MANY_RATES = (12, 32), (0.06, 0.15)
"""Where the model that is registered learns from many rows, which 200 small or slow trees would not do justice to."""


def search(lost: Callable[[Recipe], float], *, trials: int, seed: int, all_rows: int) -> Recipe:
    """The best blend of so many trials, by the tree-structured Parzen estimator (Bergstra et al. 2011); DEFAULT, where
    no trial is better. `lost`: the held-out log loss of a recipe; `all_rows`: that the model will learn from."""
    optuna = quiet_optuna()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=STARTING, seed=seed))
    leaves, rates = (OF_MANY_LEAVES, OF_MANY_RATES) if all_rows >= LARGER_FROM else (LEAVES, RATES)

    def tried(trial: Any) -> float:
        return lost(
            _recipe(
                {
                    "leaves": trial.suggest_int("leaves", *leaves),
                    "rate": trial.suggest_float("rate", *rates, log=True),
                    "rows_a_leaf": trial.suggest_int("rows_a_leaf", 15, 120, log=True),
                    "ridge": trial.suggest_float("ridge", 1.0, 100.0, log=True),
                }
            )
        )

    study.optimize(tried, n_trials=trials)
    return _recipe(study.best_params) if study.best_value < lost(DEFAULT) else DEFAULT


def held_out_loss(model: RiskModel) -> float:
    """The log loss on folds of the rows that a model learned from, each by parts that had not seen it."""
    return float(cast("dict[str, float]", model.summary["held_out_log_loss"])["calibrated"])


def _recipe(found: dict[str, Any]) -> Recipe:
    # Three digits are as good, and can be read.
    return Recipe(
        leaves=found["leaves"],
        rate=float(f"{found['rate']:.3g}"),
        rows_a_leaf=found["rows_a_leaf"],
        ridge=float(f"{found['ridge']:.3g}"),
    )


class _ToOurLog(logging.Handler):
    """That something was said, and how grave it is; what a library says may quote values, and is not kept."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        get_log().warning("the search was warned", code=f"{record.name}: {record.levelname.lower()}")


def quiet_optuna() -> Any:
    """optuna, which prints nothing, and whose warnings become lines of our log. Raises ConfigError where it lacks."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise ConfigError(
            "Searching for a recipe needs optuna",
            hint="install it: pip install 'cis_ews[train]', or set trials to 0 in [candidates]",
        ) from None
    library = cast("Any", optuna)
    library.logging.disable_default_handler()
    library.logging.set_verbosity(library.logging.WARNING)
    log = library.logging.get_logger("optuna")
    if not any(isinstance(handler, _ToOurLog) for handler in log.handlers):
        log.addHandler(_ToOurLog())
    return library
