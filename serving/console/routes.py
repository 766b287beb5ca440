"""All pages of the console, and which of them the navigation leads to."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from serving.console import (
    account,
    admin,
    admin_lists,
    admin_people,
    decisions,
    meetings,
    network,
    provider_routes,
    schools,
    sign_in,
    students,
    today,
    worklist,
)

MODULES = (
    sign_in,
    provider_routes,
    today,
    worklist,
    students,
    schools,
    meetings,
    decisions,
    network,
    account,
    admin,
    admin_people,
    admin_lists,
)


def console_routes() -> list[BaseRoute]:
    """The routes of the pages."""
    return [route for module in MODULES for route in module.routes.routes]


def console_addresses() -> list[str]:
    """Their addresses, as the guard knows them."""
    return [route.path for route in console_routes() if isinstance(route, Route)]
