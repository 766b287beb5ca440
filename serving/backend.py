"""What every request needs, opened once when the service starts: settings, store, database, counters."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

from starlette.requests import Request

from cis_ews.errors import EwsError
from cis_ews.risk.registry import FOLDER
from cis_ews.settings import Settings, load_settings
from cis_ews.storage.database import ApiKey, Database
from cis_ews.storage.store import RunStore
from serving.auth import Attempts, Pace
from serving.console.providers import Flows, Provider, providers_of
from serving.observability import METRICS

SECONDS_BETWEEN_LOOKS = 60
"""How often the metrics ask the database: whoever asks for them needs no key, so they cost nothing in between."""
WRONG_PASSWORDS = 60
"""From one address in a minute. All of a school may come from one: what protects an account is that it locks."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The service's belongings."""

    settings: Settings
    store: RunStore
    database: Database
    attempts: Attempts = field(default_factory=Attempts)
    sign_ins: Attempts = field(default_factory=lambda: Attempts(WRONG_PASSWORDS))
    pace: Pace = field(default_factory=Pace)
    flows: Flows = field(default_factory=Flows)
    providers: Mapping[str, Provider] = field(default_factory=dict[str, Provider])

    @property
    def registry(self) -> str:
        """Where the registry of models is: as the settings say, else in the store."""
        named = self.settings.model.registry
        return str(self.store.root / FOLDER) if named is None else named.get_secret_value()

    def check(self) -> None:
        """Raises StorageError unless the database is there and at this version's step."""
        self.database.districts()


def open_backend() -> Backend:
    """Open what the settings name. Raises EwsError where that cannot be used."""
    settings = load_settings()
    store = RunStore(settings.store.path)
    named = settings.store.database
    database = Database(named.get_secret_value() if named else store.database_url)
    backend = Backend(
        settings=settings,
        store=store,
        database=database,
        providers=providers_of(settings.providers, settings.service),
    )
    backend.check()
    METRICS.watch_data_age(lambda: _data_age_days(database, int(time.monotonic() // SECONDS_BETWEEN_LOOKS)))
    return backend


@lru_cache(maxsize=1)
def _data_age_days(database: Database, _look: int) -> float:
    """Days since the as-of date of the district that was left behind longest; not a number where there is none."""
    try:
        pages = [database.current_scores(district, limit=1) for district in database.districts()]
    except EwsError:
        return float("nan")
    dates = [page.as_of for page in pages if page.as_of is not None]
    return float((datetime.now(UTC).date() - min(dates)).days) if dates else float("nan")


def of(request: Request) -> Backend:
    """The backend of the service that a request came to."""
    return cast("Backend", request.app.state.backend)


def key_of(request: Request) -> ApiKey:
    """The key that the guard let the request in with."""
    return cast("ApiKey", request.state.key)
