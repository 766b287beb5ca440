"""What a worker's polars is told about memory: to keep it, whatever polars has put into this process's environment."""

from __future__ import annotations

import os

import polars as pl
import pytest

from cis_ews.engines.local import ALLOCATION, KEEP, SET_BY_POLARS, LocalEngine


def _settings(_: int) -> dict[str, str]:
    """What counts in this process: of two settings of a name the last one."""
    assert pl.__version__  # polars puts its own first when it is imported
    return dict(setting.split(":", 1) for setting in os.environ[ALLOCATION].split(","))


def _in_workers() -> list[dict[str, str]]:
    with LocalEngine(2) as engine:
        return [future.result() for _, future in engine.run(_settings, [1, 2])]


def test_polars_default_is_what_we_take_it_for() -> None:
    assert os.environ[ALLOCATION].startswith(SET_BY_POLARS)


def test_workers_keep_their_memory_though_polars_has_set_its_own_here() -> None:
    kept = dict(setting.split(":", 1) for setting in KEEP.split(","))
    assert all(kept.items() <= found.items() for found in _in_workers())


def test_what_someone_has_set_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOCATION, f"{SET_BY_POLARS},dirty_decay_ms:7")
    assert [found["dirty_decay_ms"] for found in _in_workers()] == ["7", "7"]
    assert os.environ[ALLOCATION] == f"{SET_BY_POLARS},dirty_decay_ms:7"
