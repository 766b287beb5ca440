"""A real Chromium in front of the started service."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lib.chromium import INSTALL, chromium, chromium_path
from tests.lib.service import Served, serve_two_districts

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def chrome() -> Generator[Browser]:
    """One Chromium for all tests."""
    if chromium_path() is None:
        pytest.skip(f"no Chromium on this machine: {INSTALL}")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A service of each module: a morning changes it."""
    folder: Path = tmp_path_factory.mktemp("browser")
    with serve_two_districts(folder) as served:
        yield served
