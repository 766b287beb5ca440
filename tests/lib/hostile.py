"""A district in whose records every text attacks the pages that show it: tags, quotes, marks that turn text, length.

Made from the schema: a column that is added is hostile from its first day.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dataframely as dy
import polars as pl

from cis_ews.enums import Role
from cis_ews.evaluation.groups import told_groups
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.schema.parsing import MAX_TEXT_LENGTH
from cis_ews.schema.school_data import TABLES
from cis_ews.scoring import score_night
from cis_ews.storage.access import Grant, Scope
from cis_ews.storage.database import Database, NewPerson
from cis_ews.storage.store import RunStore
from cis_ews.synthetic.generator import write_district
from tests.lib.people import password_hash
from tests.lib.service import Served, serving

NIGHT = date(2026, 2, 27)
LONG, SHORT = MAX_TEXT_LENGTH, 400
"""A longer text is rejected when school data are read; what people write is longer."""
ATTACK = (
    "\"'`><script>document.hit=1</script><img data-hit src=x onerror='document.hit=1'></textarea></title></style>"
    "</script>--><svg data-hit onload=document.hit=1>{{7*7}}${7*7}%(name)s&lt;b data-hit&gt;&#60;i&#62;javascript:hit()"
    "\u202e\u2067\u200f"
)
KEYS = {"student_id", "school_id", "district_id", "incident_id"}
"""Columns that tables are joined by: the same text in all of them."""


def mark(name: str) -> str:
    """What a hostile text begins with, by which a page that shows it is known."""
    return f"q-{name}-q"


def hostile(name: str, *, length: int = 4000, more: str = "") -> str:
    """A text of a field: its mark, the attack, and letters without a space up to the length."""
    return (f"{mark(name)} {more}{ATTACK}" + "W" * length)[:length]


def columns() -> list[str]:
    """Every text of school data, `table.column`; keys by their column alone."""
    return sorted(
        {
            name if name in KEYS else f"{table}.{name}"
            for table, schema in TABLES.items()
            for name, column in schema.columns().items()
            if isinstance(column, dy.String)
        }
    )


def spoil(extract: Path) -> None:
    """Put a hostile text into every text of every row; what was different stays different."""
    for table, schema in TABLES.items():
        file = extract / f"{table}.csv"
        if not file.exists():
            continue
        rows = pl.read_csv(file, infer_schema=False)
        texts = [name for name, column in schema.columns().items() if isinstance(column, dy.String)]
        for name in set(texts) & set(rows.columns):
            rows = rows.with_columns(rows[name].replace_strict(_spoiled(table, name, rows[name]), default=None))
        rows.write_csv(file)


def _spoiled(table: str, name: str, values: pl.Series) -> Mapping[str, str]:
    field, length = (name, SHORT) if name in KEYS else (f"{table}.{name}", LONG)
    known = sorted(values.drop_nulls().unique())
    # Names are all long; of what a page shows by the dozen a few are enough.
    is_long = {value: table in ("students", "schools") or place < 2 for place, value in enumerate(known)}
    return {value: hostile(field, length=length if is_long[value] else SHORT, more=f"{value} ") for value in known}


@dataclass(frozen=True)
class Hostile:
    """What is served. `refs`: students of the coordinator's school who are flagged; `school_ref`: that school."""

    served: Served
    district: str
    school: str
    school_ref: str
    refs: list[str]

    def email(self, role: Role) -> str:
        """Who has a role."""
        return f"{role.value}@example.org"


@contextmanager
def serve_hostile(folder: Path) -> Generator[Hostile]:
    """The district, scored by rules and served, with a person of each role whose name is hostile too."""
    extract = folder / "extract"
    write_district(extract, students=100, years=2, seed=7, through=NIGHT, dirt=False)
    spoil(extract)
    (folder / "policy.toml").write_text("config_version = 1\n[capacity]\nshare = 1.0\nnumber = 40\n", encoding="utf-8")
    policy = TierPolicy.load(folder / "policy.toml")
    score_night(extract, model=RulesModel(), policy=policy, store=folder / "store", as_of=NIGHT, groups=told_groups)
    settings = f'config_version = 1\n[store]\npath = "{folder / "store"}"\n'
    with Database(RunStore(folder / "store").database_url) as database:
        (district,) = database.districts()
        places = database.pages.schools(Scope(districts=frozenset({district})))
        _, key = database.create_key(district, hostile("key.label", length=200))
        with serving(folder, settings=settings) as service:
            served = Served(service, folder, {district: key}, database)
            flagged = [row for row in served.scores(district) if row["tier"] in (2, 3)]
            school = max(places, key=lambda place: sum(row["school_id"] == place.school_id for row in flagged))
            for role in Role:
                is_of_school = role in (Role.COORDINATOR, Role.SCHOOL_STAFF)
                is_everywhere = role in (Role.STATE, Role.ADMINISTRATOR)
                grant = Grant(role, None if is_everywhere else district, school.school_id if is_of_school else None)
                name = hostile("person.name", length=200)
                new = NewPerson(email=f"{role.value}@example.org", name=name, password_hash=password_hash())
                database.people.add(new, grants=[grant])
            refs = [row["ref"] for row in flagged if row["school_id"] == school.school_id]
            yield Hostile(served, district, school.school_id, school.ref, refs)
