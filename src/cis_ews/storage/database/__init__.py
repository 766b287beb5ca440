"""The database of a store: runs, the current flags by district, keys and jobs. The only place that speaks SQL."""

from __future__ import annotations

from cis_ews.storage.database.database import Database
from cis_ews.storage.database.rows import (
    ApiKey,
    FlagRow,
    Job,
    PublishReport,
    ReasonRow,
    RunRow,
    SchoolRow,
    ScorePage,
    ScoreRow,
    StudentReasons,
)

__all__ = [
    "ApiKey",
    "Database",
    "FlagRow",
    "Job",
    "PublishReport",
    "ReasonRow",
    "RunRow",
    "SchoolRow",
    "ScorePage",
    "ScoreRow",
    "StudentReasons",
]
