"""A made-up district: realistic enough to exercise every stage, never a source of accuracy claims."""

from __future__ import annotations

from cis_ews.synthetic.generator import SyntheticSummary, write_district

__all__ = ["SyntheticSummary", "write_district"]
