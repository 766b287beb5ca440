"""The benchmark of publishing runs and says what it found; no times are judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import publish
from cis_ews.storage.database import Database
from tests.lib.stored_nights import listed


def test_two_nights_are_published_to_each_database_beside_the_barest_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = publish.measure(tmp_path, students=900)
    assert [one.what for one in found] == [
        "SQLite, first night",
        "SQLite, next night",
        "PostgreSQL, first night",
        "PostgreSQL, next night",
    ]
    assert {one.rows for one in found} == {900 * 8}
    assert min(min(one.seconds, one.cpu_seconds, one.baseline) for one in found) > 0
    publish.show(found)
    assert "PostgreSQL, next night" in capsys.readouterr().out


def test_the_made_up_night_is_one_that_readers_can_read(tmp_path: Path) -> None:
    nights = publish.make_nights(tmp_path, students=900)
    url = f"sqlite:///{tmp_path}/cis_ews.db"
    for night in nights:
        publish.publish(tmp_path, url, night.path)
    with Database(url) as database:
        assert database.districts() == ["d0"]
        assert [row.students for row in database.schools_of("d0")] == [450, 450]
        assert {len(row.told) for row in listed(database, "d0", "00000")} == {publish.REASONS}
        changed = {row.changed_at for row in database.current_scores("d0", limit=5000).rows}
        assert len(changed) == 2  # some have another tier than the night before, the others carry their moment on
