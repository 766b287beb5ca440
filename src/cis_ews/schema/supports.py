"""Supports that were delivered to students."""

from __future__ import annotations

import dataframely as dy


class Supports(dy.Schema):
    """One row a student, day and category of support; `tier` 1 to 3, `minutes` delivered, `provider` in words."""

    student_id = dy.String(primary_key=True, min_length=1)
    date = dy.Date(primary_key=True)
    category = dy.String(primary_key=True, min_length=1)
    tier = dy.Int8(nullable=True, min=1, max=3)
    minutes = dy.Int32(nullable=True, min=0, max=1440)
    provider = dy.String(nullable=True)
