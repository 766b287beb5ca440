"""The started service that the functional tests share: two districts scored, a key for each."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.lib.service import Served, serve_two_districts


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """One service for all tests that leave it as it is."""
    folder: Path = tmp_path_factory.mktemp("service")
    with serve_two_districts(folder) as served:
        yield served
