"""Fetching from the server of the tests: with little patience, and what to compare afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cis_ews.fetching.credentials import Credentials
from cis_ews.fetching.edfi import Fetched, fetch_edfi
from cis_ews.readers.edfi_api_config import ApiConfig
from tests.lib.edfi_server import KEY, SECRET, EdFiServer

CREDENTIALS = Credentials(SecretStr(KEY), SecretStr(SECRET))
PATIENCE: dict[str, Any] = {"attempts": 3, "timeout_seconds": 5.0, "longest_wait_seconds": 0.01}
SECRETS = ("SECRETKEY", "SECRETSECRET", "SECRETTOKEN")
ALL_BUT_STUDENTS = (
    "studentSchoolAssociations",
    "calendarDates",
    "sessions",
    "gradingPeriods",
    "studentSchoolAttendanceEvents",
    "studentSectionAttendanceEvents",
    "disciplineIncidents",
    "studentDisciplineIncidentBehaviorAssociations",
    "disciplineActions",
    "courses",
    "courseOfferings",
    "grades",
    "courseTranscripts",
    "studentEducationOrganizationAssociations",
    "studentSpecialEducationProgramAssociations",
    "studentHomelessProgramAssociations",
    "studentLanguageInstructionProgramAssociations",
    "studentSchoolFoodServiceProgramAssociations",
    "studentInterventionAttendanceEvents",
)
"""Left out, a fetch is of students and schools alone, and a test is quick."""


def fetch(server: EdFiServer, folder: Path, *, full: bool = False, **api: Any) -> Fetched:
    """One fetch."""
    config = ApiConfig(**{"url": server.url, "page_size": 25, **PATIENCE, **api})
    return fetch_edfi(config, CREDENTIALS, folder, full=full)


def fetch_few(server: EdFiServer, folder: Path, *, full: bool = False, **api: Any) -> Fetched:
    """One fetch of students and schools alone."""
    return fetch(server, folder, full=full, leave_out=ALL_BUT_STUDENTS, **api)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file that is no hidden one."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def records_in(folder: Path, resource: str) -> list[str]:
    """The lines of a resource."""
    (path,) = folder.glob(f"{resource}.*.jsonl")
    return path.read_text(encoding="utf-8").splitlines()


def leaked(text: object) -> list[str]:
    """What stands in a text of a student or of a secret."""
    return [marker for marker in (*SECRETS, "MARKERID", "MARKERNAME") if marker in f"{text!s}{text!r}"]
