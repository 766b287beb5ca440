"""A made-up district that a model has scored on two nights, a person of each role, and the service before it.

What the walks in a browser go through, and what the pictures of the docs show. Seeded by a process of its own:

    python -m tests.lib.made_up FOLDER
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cis_ews.enums import Role
from cis_ews.evaluation.groups import told_groups
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.access import Grant, Scope
from cis_ews.storage.database import Database, NewPerson
from cis_ews.storage.store import RunStore
from cis_ews.synthetic.generator import write_district
from tests.lib.models import catalog_model
from tests.lib.people import password_hash
from tests.lib.service import Served, serving

NIGHTS = (date(2026, 2, 26), date(2026, 2, 27))
STUDENTS, SEED = 500, 7
SCHOOL = "8143"
NIGHT, MORNING = "2026-03-02 10:31:00", "2026-03-02 15:15:00"
"""In UTC: half past two and a quarter past seven in Seattle."""
PICTURES = "CIS_EWS_PICTURES"
NAMES: Mapping[Role, tuple[str, str]] = {
    Role.COORDINATOR: ("ana", "Ana Ruiz"),
    Role.SCHOOL_STAFF: ("staff", "Sam Staff"),
    Role.DISTRICT_MANAGER: ("manager", "Maya Manager"),
    Role.AFFILIATE_MANAGER: ("affiliate", "Alex Affiliate"),
    Role.STATE: ("state", "Stella State"),
    Role.DATA_STEWARD: ("steward", "Stan Steward"),
    Role.ADMINISTRATOR: ("admin", "Ada Admin"),
}


@dataclass(frozen=True)
class World:
    """What is served. `refs`: students of the coordinator's school who are flagged, the first of the list first."""

    served: Served
    district: str
    refs: Sequence[str]
    school_refs: Mapping[str, str]

    def email(self, role: Role) -> str:
        """Who has a role."""
        return f"{NAMES[role][0]}@example.org"


def clock(moment: str) -> list[str]:
    """The words before a command that stop its clock, so that the pictures are the same on every day; else none."""
    return ["env", "TZ=UTC", "faketime", "-f", moment] if os.environ.get(PICTURES) else []


@contextmanager
def serve_made_up(folder: Path) -> Generator[World]:
    """The district, served."""
    subprocess.run([*clock(NIGHT), sys.executable, "-m", "tests.lib.made_up", folder], check=True)
    settings = f'config_version = 1\n[store]\npath = "{folder / "store"}"\n[model]\nuse = "{folder / "model.json"}"\n'
    with Database(RunStore(folder / "store").database_url) as database:
        (district,) = database.districts()
        _, key = database.create_key(district, "student information system")
        places = database.pages.schools(Scope(districts=frozenset({district})))
        with serving(folder, settings=settings, before=clock(MORNING)) as service:
            served = Served(service, folder, {district: key}, database)
            rows = [row for row in served.scores(district, f"&school_id={SCHOOL}") if row["tier"] in (2, 3)]
            refs = [row["ref"] for row in sorted(rows, key=lambda row: row["list_place"])]
            yield World(served, district, refs, {place.school_id: place.ref for place in places})


def seed(folder: Path) -> None:
    """Make the extract, the model, the two nights and the people."""
    extract = folder / "extract"
    write_district(extract, students=STUDENTS, years=2, seed=SEED, through=NIGHTS[-1])
    model = catalog_model(made_up=True)
    model.save(folder / "model.json")
    for night in NIGHTS:
        made = {"model": model, "policy": TierPolicy.load(), "groups": told_groups}
        score_night(extract, store=folder / "store", as_of=night, **made)
    with Database(RunStore(folder / "store").database_url) as database:
        (district,) = database.districts()
        for role, (email, name) in NAMES.items():
            is_of_school = role in (Role.COORDINATOR, Role.SCHOOL_STAFF)
            is_everywhere = role in (Role.STATE, Role.ADMINISTRATOR)
            grant = Grant(role, None if is_everywhere else district, SCHOOL if is_of_school else None)
            new = NewPerson(email=f"{email}@example.org", name=name, password_hash=password_hash())
            database.people.add(new, grants=[grant])


if __name__ == "__main__":
    seed(Path(sys.argv[1]))
