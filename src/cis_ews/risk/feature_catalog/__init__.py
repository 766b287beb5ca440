"""The one list of features: how each is made, what it means, which way it points, and what is said of it.

The design matrix, its hash, the model's constraints, the documentation page and the reasons are made from it.
"""

from __future__ import annotations

from cis_ews.risk.feature_catalog.attendance import ATTENDANCE
from cis_ews.risk.feature_catalog.attendance_history import ATTENDANCE_BEFORE
from cis_ews.risk.feature_catalog.behavior import BEHAVIOR
from cis_ews.risk.feature_catalog.context import CONTEXT
from cis_ews.risk.feature_catalog.coursework import COURSEWORK
from cis_ews.risk.feature_catalog.feature import Feature

__all__ = ["FEATURES", "SAME_EARLY", "Feature"]

FEATURES: tuple[Feature, ...] = (*ATTENDANCE, *ATTENDANCE_BEFORE, *BEHAVIOR, *COURSEWORK, *CONTEXT)
"""Every feature, in the order of the matrix; among reasons of equal weight the first topic is told first."""

SAME_EARLY = {
    "absence lately": "absence this year",
    "absence in fall": "absence this year",
    "incidents lately": "incidents this year",
    "incidents in fall": "incidents this year",
}
"""Topics that early in a year speak of nearly the same days as another, and give one reason with it."""
