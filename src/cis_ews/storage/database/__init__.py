"""The database of a store: runs, the current flags by district, keys and jobs. The only place that speaks SQL."""

from __future__ import annotations

from importlib.util import find_spec

from cis_ews.errors import ConfigError

if missing := [name for name in ("sqlalchemy", "alembic") if find_spec(name) is None]:
    raise ConfigError(
        f"The database of current flags needs packages that are not installed: {', '.join(missing)}",
        hint="install them: pip install 'cis_ews[store]'",
    )

from cis_ews.storage.database.audit import AuditFault, AuditReport, AuditRow, Event
from cis_ews.storage.database.database import Database
from cis_ews.storage.database.exceptions import Emergency, Stop
from cis_ews.storage.database.people import By, Credentials, NewPerson, Person
from cis_ews.storage.database.rows import (
    ApiKey,
    Job,
    PublishReport,
    ReasonRow,
    RunRow,
    SchoolRow,
    ScorePage,
    ScoreRow,
    StudentReasons,
)
from cis_ews.storage.database.sessions import Limits, SignedIn
from cis_ews.storage.database.staging import Staged

__all__ = [
    "ApiKey",
    "AuditFault",
    "AuditReport",
    "AuditRow",
    "By",
    "Credentials",
    "Database",
    "Emergency",
    "Event",
    "Job",
    "Limits",
    "NewPerson",
    "Person",
    "PublishReport",
    "ReasonRow",
    "RunRow",
    "SchoolRow",
    "ScorePage",
    "ScoreRow",
    "SignedIn",
    "Staged",
    "Stop",
    "StudentReasons",
]
