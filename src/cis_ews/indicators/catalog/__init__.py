"""The one list of indicators: names, units, windows, definitions, sources.

The output schema, the documentation page and the test of completeness are made from it.
"""

from __future__ import annotations

import polars as pl

from cis_ews.enums import Domain
from cis_ews.indicators.catalog.attendance import ATTENDANCE
from cis_ews.indicators.catalog.behavior import BEHAVIOR
from cis_ews.indicators.catalog.context import CONTEXT
from cis_ews.indicators.catalog.coursework import COURSEWORK
from cis_ews.indicators.catalog.indicator import Indicator

__all__ = ["INDICATORS", "INDICATORS_SCHEMA", "Indicator", "names_of"]

INDICATORS = (*CONTEXT, *ATTENDANCE, *BEHAVIOR, *COURSEWORK)
"""Every column of the table of indicators, in its order."""

INDICATORS_SCHEMA = pl.Schema({indicator.name: indicator.dtype for indicator in INDICATORS})
"""Column names and types of the table of indicators."""


def names_of(domain: Domain) -> list[str]:
    """Names of a domain's indicators, in the order of the table."""
    return [indicator.name for indicator in INDICATORS if indicator.domain == domain]
