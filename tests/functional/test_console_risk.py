"""A night with a model: who may see the number of a risk, and who never does."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from cis_ews.enums import Role
from tests.lib.browser import Browser
from tests.lib.districts import LAKEVIEW
from tests.lib.models import catalog_model
from tests.lib.people import PASSWORD, add_person, grants_for
from tests.lib.service import Served, serve_two_districts


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A service over a night with a model that learned from made-up rows."""
    folder: Path = tmp_path_factory.mktemp("risk")
    with serve_two_districts(folder, model=catalog_model(made_up=True)) as served:
        yield served


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.SCHOOL_STAFF, Role.DISTRICT_MANAGER, Role.AFFILIATE_MANAGER])
def test_a_risk_is_a_number_for_managers_who_ask_for_it(served: Served, role: Role) -> None:
    score = next(row for row in served.scores(LAKEVIEW) if row["student_id"] == "north-004")
    told = f"Estimated risk: {score['risk'] * 100:.0f} of 100 students with such records."
    add_person(served.database, f"{role.value}@example.org", grants_for(LAKEVIEW, "north")[role])
    browser = Browser(served.service)
    browser.sign_in(f"{role.value}@example.org", PASSWORD)
    page, asked = (browser.get(f"/students/{score['ref']}{query}").text for query in ("", "?risk=1"))
    is_manager = role in (Role.DISTRICT_MANAGER, Role.AFFILIATE_MANAGER)
    assert told not in page
    assert ("Show the risk number" in page) is is_manager
    assert (told in asked) is is_manager
    assert is_manager or "risk" not in asked.lower()
    today = browser.get("/today").text
    assert "Decided by: A trained model (model-" in today
    assert "For demonstration only" in today
