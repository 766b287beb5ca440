"""The clock of whoever looks at a page: the time zone that the settings name. What is stored is in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo

from fastapi import Request

STATE = "zone"
"""Where a request's state has it."""


def zone_of(request: Request) -> tzinfo:
    """The time zone of a page; UTC where a request was turned away before anybody looked at it."""
    return getattr(request.state, STATE, UTC)


def today(request: Request) -> date:
    """The day that it is where the people of the pages live."""
    return datetime.now(zone_of(request)).date()
