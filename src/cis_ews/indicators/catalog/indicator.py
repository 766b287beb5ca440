"""What the catalog says of one indicator."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cis_ews.enums import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One column of the table of indicators.

    `unit`: days, rate, count, ... `window`: the days it looks at. `definition`: one sentence. `source`: who defines it
    so; empty where it is a plain count. `null_when`: when there is no value, besides a domain that is not covered.
    """

    name: str
    domain: Domain
    dtype: pl.DataType
    unit: str
    window: str
    definition: str
    source: str = ""
    null_when: str = ""
