"""A made-up district, or a state: realistic enough to exercise every stage, never a source of accuracy claims."""

from __future__ import annotations

from cis_ews.synthetic.generator import SyntheticSummary, write_district, write_state
from cis_ews.synthetic.writer import is_made_up

__all__ = ["SyntheticSummary", "is_made_up", "write_district", "write_state"]
