"""What the outcome of students who were supported after an as-of date may teach.

A student who was flagged, supported and did well is no false alarm. Learned as recorded, such students teach a model
that records like theirs are harmless, and it stops flagging those whom support helped most. What should be learned is
what happens without support: of the supported nobody can tell it, so they are left out whatever their outcome was (were
only those left out who did well, the rest would look worse than they are), and those who were not supported may stand
in for them, each by the inverse of the chance not to be supported that students with such records had.

It rests on support having been chosen by what the features say, and on nobody having been certain of it.

    Hernan, M. A. and Robins, J. M. (2020), Causal Inference: What If, chapter 12. Chapman and Hall.
    Lenert, M. C., Matheny, M. E. and Walsh, C. G. (2019), Prognostic models will be victims of their own success,
    unless ... JAMIA 26, 1645-1650.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.risk.supported import Supported

SUPPORTED = "supported"
FEWEST = 50
"""With fewer supported rows nobody can tell who is supported, and all weigh the same."""
MOST = 10.0
"""No row stands in for more than so many: one student would decide what a model learns."""


@dataclass(frozen=True, eq=False)
class Learned:
    """Rows to learn from, and how much each counts; all the same where `weights` is None."""

    rows: pl.DataFrame
    weights: NDArray[np.float64] | None = None


def learned_rows(rows: pl.DataFrame, names: Sequence[str], *, how: Supported) -> Learned:
    """What is learned of rows that say in SUPPORTED whether the student was; `names` are the features."""
    supported = rows[SUPPORTED].to_numpy()
    if how == Supported.AS_RECORDED or not supported.any():
        return Learned(rows)
    kept = rows.filter(~rows[SUPPORTED])
    if how == Supported.CENSOR or min(supported.sum(), (~supported).sum()) < FEWEST:
        return Learned(kept)
    chance = _chance_of_support(rows, names)[~supported]
    # Stabilised by the share of those who were not supported, so that the weights are near 1 on average.
    return Learned(kept, np.minimum((~supported).mean() / (1.0 - chance), MOST))


def _chance_of_support(rows: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    from scipy.special import expit

    from cis_ews.risk.model_encoding import Encoding
    from cis_ews.risk.model_linear import fit_linear
    from cis_ews.risk.model_recipe import DEFAULT

    features = rows.select(names)
    encoding = Encoding.learn(features)
    matrix = encoding.matrix(features)
    free = np.zeros(matrix.shape[1], dtype=np.int64)
    supported = rows[SUPPORTED].cast(pl.Float64).to_numpy()
    return np.asarray(expit(fit_linear(matrix, supported, directions=free, penalty=DEFAULT.ridge).margin(matrix)))
