"""What every verb begins with: settings, logs, a terminal, and the store that it works on."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cis_ews.cli.terminal import Terminal
from cis_ews.errors import ConfigError, RunNotFoundError
from cis_ews.logs import configure_logs, get_log
from cis_ews.settings import Settings, load_settings

if TYPE_CHECKING:
    from cis_ews.schema.school_data import SchoolData
    from cis_ews.storage.database import Database
    from cis_ews.storage.runs import Run
    from cis_ews.storage.store import RunStore


@dataclass(frozen=True)
class Session:
    """One call of a verb."""

    settings: Settings
    terminal: Terminal

    def store(self, folder: Path | None) -> RunStore:
        """The store named on the command line, else that of the settings."""
        from cis_ews.storage.store import RunStore

        return RunStore(folder or self.settings.store.path)

    def database_url(self, store: RunStore) -> str:
        """The database of the settings, else the one that belongs to the store."""
        named = self.settings.store.database
        return store.database_url if named is None else named.get_secret_value()

    def existing_store(self, folder: Path | None) -> RunStore:
        """The store, which must be there. Raises RunNotFoundError where it is not."""
        store = self.store(folder)
        if not store.root.is_dir():
            raise RunNotFoundError(f"There is no store at {store.root}", hint="name the folder that holds the runs")
        return store

    def database(self, store: RunStore) -> Database:
        """The database of a store, to be entered as a context."""
        from cis_ews.storage.database import Database

        return Database(self.database_url(store))

    @contextmanager
    def database_if_any(self, store: RunStore) -> Generator[Database | None]:
        """The database of a store; None where none was made."""
        with self.database(store) as database:
            yield None if database.revision is None else database

    def registry(self, store: RunStore) -> str:
        """Where the registry of models is: as the settings say, else in the store."""
        from cis_ews.risk.registry import FOLDER

        named = self.settings.model.registry
        return str(store.root / FOLDER) if named is None else named.get_secret_value()

    def format(self, named: str | None) -> str:
        """The source's format named on the command line, else that of the settings."""
        return named or self.settings.source.format


@dataclass(frozen=True)
class Start:
    """What stands before the verb on the command line."""

    config: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        """Read only when a verb runs, so that a wrong setting does not hide the help."""
        return load_settings(self.config)


def begin(context: typer.Context, *, as_json: bool) -> Session:
    """Read the settings, open the log, and say which verb runs."""
    start = context.find_object(Start) or Start()
    log = start.settings.log
    try:
        configure_logs(level=log.level, file=log.file, stream=sys.stderr if log.level == "debug" else None)
    except OSError:
        raise ConfigError(f"The log file {log.file} cannot be written", hint="set log.file to another place") from None
    get_log().info("verb", verb=context.command_path)
    return Session(start.settings, Terminal(as_json=as_json))


def read_source(session: Session, source: Path, source_format: str | None, *, as_of: date | None = None) -> SchoolData:
    """Read an extract, with progress. `as_of`: as `read_school_data` has it."""
    from cis_ews.readers import read_school_data

    with session.terminal.step("read"):
        return read_school_data(
            source,
            format=session.format(source_format),
            tolerance=session.settings.source.tolerance,
            as_of=as_of,
            progress=session.terminal,
        )


def open_named_run(folder: Path) -> Run:
    """The run in a folder, or the newest run of the store there. Raises RunDamagedError where a hash differs."""
    from cis_ews.storage.runs import open_run, verify_run
    from cis_ews.storage.store import RunStore

    return verify_run(RunStore(folder).latest() if (folder / "runs").is_dir() else open_run(folder))
