"""A school on two nights: who is flagged anew, rises, falls, is resolved, comes, stays, or is hardly known."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import DECLARED, declared_features
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.database import Database
from cis_ews.storage.store import RunStore
from tests.lib.builders import absence, enrollment, frames, reported, school, student, weekdays
from tests.lib.service import Served, serving

DISTRICT, SCHOOL = "d1", "north"
BEFORE, NOW = date(2026, 2, 20), date(2026, 2, 27)
CAPACITY = 5
FIRST_DAY, ENTERED_LATE = date(2025, 9, 3), date(2026, 2, 16)
MISSED: Mapping[str, tuple[float | None, float]] = {
    "anew": (0.0, 0.25),
    "rises": (0.15, 0.25),
    "falls": (0.25, 0.15),
    "resolved": (0.15, 0.0),
    "resolved too": (0.15, 0.0),
    "comes": (None, 0.25),
    "stays": (0.25, 0.25),
    "quiet": (0.0, 0.0),
    "late": (0.0, 0.0),
    **{f"guest {number}": (None, 0.0) for number in range(5)},
}
"""Student -> the share of days missed as the records of each night have it; None: not there yet. A quarter of the days
is Tier 3, more than a tenth Tier 2. `late` has come a few days ago; guests
have come and miss nothing."""


def missed_days(share: float, through: date) -> list[date]:
    """Every so-many-th school day from the first one on."""
    days = [row["date"] for row in weekdays(FIRST_DAY, through) if row["is_instructional"]]
    step = round(1 / share) if share else len(days) + 1
    return days[step - 1 :: step]


def write_night(folder: Path, night: int) -> Path:
    """The extract of the first (0) or the second night (1)."""
    folder.mkdir(parents=True)
    through = (BEFORE, NOW)[night]
    there = {name: share for name, shares in MISSED.items() if (share := shares[night]) is not None}
    tables = frames(
        calendar=weekdays(FIRST_DAY, date(2026, 6, 12)),
        schools=[school(SCHOOL, district=DISTRICT, name="North School")],
        students=[student(name, first=name.title(), last="Doe") for name in there],
        enrollments=[
            enrollment(name, SCHOOL, ENTERED_LATE if name == "late" else FIRST_DAY, grade="7") for name in there
        ],
        attendance=[absence(name, day, SCHOOL) for name, share in there.items() for day in missed_days(share, through)],
        reporting=[reported(through, SCHOOL)],
    )
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv")
    return folder


def model_that_misses_marks() -> RiskModel:
    """A model to which it means something where no mark is known: a reason of what we do not know."""
    rng, names = np.random.default_rng(5), ("absence_rate_ytd", "failing_courses")
    absence, failing = rng.random(600) * 0.4, rng.integers(0, 4, 600)
    is_unknown = rng.random(600) < 0.3
    odds = 12 * absence - 4.4 + 0.3 * failing + 1.5 * is_unknown
    marks = pl.Series(failing).cast(pl.Float64).scatter(np.flatnonzero(is_unknown), None)
    frame = pl.DataFrame({names[0]: absence, names[1]: marks})
    label = (rng.random(600) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    about = {"label": "off_track", DECLARED: declared_features(names)}
    return RiskModel.fit(frame, label, seed=1, monotone={names[0]: 1}, about=about)


@contextmanager
def serve_two_nights(folder: Path) -> Generator[Served]:
    """A service over the second night, with the first one before it."""
    (folder / "policy.toml").write_text(
        f"config_version = 1\n[capacity]\nshare = 1.0\nnumber = {CAPACITY}\n", encoding="utf-8"
    )
    policy, model = TierPolicy.load(folder / "policy.toml"), model_that_misses_marks()
    for night, as_of in enumerate((BEFORE, NOW)):
        extract = write_night(folder / f"extract-{night}", night)
        score_night(extract, model=model, policy=policy, store=folder / "store", as_of=as_of)
    settings = f'config_version = 1\n[store]\npath = "{folder / "store"}"\n'
    with Database(RunStore(folder / "store").database_url) as database:
        _, key = database.create_key(DISTRICT, "test")
        with serving(folder, settings=settings) as service:
            yield Served(service, folder, {DISTRICT: key}, database)
