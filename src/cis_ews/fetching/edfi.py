"""`fetch_edfi`: the records of an Ed-Fi API in a folder that the reader of the format `edfi` reads.

A fetch goes in rounds. The first one fetches everything up to the change version of its beginning, or what has changed
since the fetch before. A record that is changed in the meantime leaves that window; where one has, another round
fetches what has changed, until none is missing. Only then does the folder count as whole. What has arrived survives a
kill.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cis_ews.errors import ConfigError, FetchError
from cis_ews.fetching.credentials import Credentials
from cis_ews.fetching.edfi_client import EdFiClient, Versions
from cis_ews.fetching.edfi_resource import Fetching, fetch_changes, fetch_whole
from cis_ews.fetching.edfi_units import NO_CURSOR, Kind, Paging, Unit, Window
from cis_ews.fetching.edfi_work import STALE_SECONDS, Done, State, Work, digest_of, sole_writer
from cis_ews.fetching.web import FORBIDDEN, NOT_FOUND, Web
from cis_ews.progress import SILENT, Progress
from cis_ews.readers.edfi_api_config import ApiConfig
from cis_ews.readers.edfi_fetched import FetchManifest
from cis_ews.readers.edfi_resources import NEEDED, Resource, fields_digest, resources_of
from cis_ews.storage.files import disk_errors
from cis_ews.wording import counted

MOST_ROUNDS = 6


@dataclass(slots=True)
class FetchedRows:
    """What a fetch did to a resource, over all its rounds."""

    mode: str
    records: int = 0
    changed: int = 0
    removed: int = 0
    duplicates: int = 0


@dataclass(slots=True)
class Fetched:
    """What a fetch has left and done. `is_new`: whether anything differs from before; `rounds`, `requests`, `retries`:
    what it took; `is_resumed`: whether it went on from one that was cut off."""

    manifest: FetchManifest
    is_new: bool = True
    is_resumed: bool = False
    rounds: int = 0
    requests: int = 0
    retries: int = 0
    resources: dict[str, FetchedRows] = field(default_factory=dict[str, FetchedRows])


def fetch_edfi(
    config: ApiConfig, credentials: Credentials, folder: Path, *, full: bool = False, progress: Progress = SILENT
) -> Fetched:
    """Fetch into `folder`: everything the first time or where `full` is said, then what has changed since.

    Raises ConfigError where a setting or the folder is wrong, FetchError where the API refuses or fails,
    StoreLockedError where another fetch is at work, StorageError where the disk does not take it. What has arrived
    stays, and the next call goes on from there.
    """
    web = Web(config.url, hosts=config.hosts, ca_bundle=config.ca_bundle, timeout=config.timeout_seconds)
    with disk_errors(folder, "write"), sole_writer(folder), web:
        client = EdFiClient(web, config, credentials)
        fetched = _Fetch(client, config, work=Work(folder), progress=progress).run(full=full)
        fetched.requests, fetched.retries = web.requests, client.retries
        return fetched


@dataclass(frozen=True, slots=True)
class _Base:
    """What was fetched before: its manifest, None where it is of no use, and the hash of it."""

    manifest: FetchManifest | None
    digest: str | None


class _Fetch:
    """One call."""

    def __init__(self, client: EdFiClient, config: ApiConfig, *, work: Work, progress: Progress) -> None:
        self._client, self._config, self._work, self._progress = client, config, work, progress
        of_standard = resources_of(client.server.standard)
        self._resources = [each for each in of_standard if each.name not in config.leave_out]
        self._left_out = tuple(each.name for each in of_standard if each.name in config.leave_out)
        fields = {each.name: fields_digest(each) for each in self._resources}
        self._identity = digest_of(config.url, client.server.data_standard, config.snapshot, fields=fields)
        self._lock = threading.Lock()

    def run(self, *, full: bool) -> Fetched:
        """Rounds until the folder is whole."""
        result: Fetched | None = None
        for _ in range(MOST_ROUNDS):
            base = self._base(full=full)
            versions = self._client.versions()
            resumed = self._resumed(base, versions, full=full)
            if resumed is None and base.manifest and self._is_of_today(base.manifest, versions):
                return result or Fetched(base.manifest, is_new=False)
            state = resumed or self._begun(base, versions, full=full)
            done = self._round(state, base)
            manifest = self._manifest(state, done)
            self._work.publish(manifest)
            result = result or Fetched(manifest, is_resumed=resumed is not None)
            _add_round(result, manifest, done)
            if manifest.is_whole:
                return result
            full = False
        raise FetchError(
            f"Records change faster than they can be read: {MOST_ROUNDS} rounds, and some were on the move in each",
            hint="fetch when nobody works in the system, or ask the API's host for a snapshot",
        )

    def _base(self, *, full: bool) -> _Base:
        found = self._work.base()
        if found is None:
            return _Base(None, None)
        manifest, digest = found
        if manifest.url != self._config.url and not full:
            raise ConfigError(
                f"{self._work.folder} holds what was fetched from another address",
                hint="name another folder; or say --full to fetch everything in its place",
            )
        is_of_use = not full and manifest.data_standard == self._client.server.data_standard
        return _Base(manifest if is_of_use else None, digest)

    def _is_of_today(self, manifest: FetchManifest, versions: Versions | None) -> bool:
        """Whether it says what this fetch would, and the server has seen no change since."""
        if not manifest.is_whole or versions is None or manifest.change_version != versions.newest:
            return False
        fields = {each.name: fields_digest(each) for each in self._resources if each.name not in manifest.absent}
        return fields == {name: each.fields for name, each in manifest.resources.items()}

    def _resumed(self, base: _Base, versions: Versions | None, *, full: bool) -> State | None:
        """The round that was cut off, if it can go on."""
        found = self._work.state()
        if found is None:
            return None
        state, age = found
        is_same = (state.identity, state.base) == (self._identity, base.digest) and state.is_full >= full
        if not is_same or (state.last is None) != (versions is None):
            return None
        if versions is None or state.last is None:
            return state if age < STALE_SECONDS else None
        return state if state.last <= versions.newest else None

    def _begun(self, base: _Base, versions: Versions | None, *, full: bool) -> State:
        """A new round: of everything, or of what has changed since."""
        since = base.manifest.change_version if base.manifest else None
        knows_since = since is not None and versions is not None and versions.oldest <= since + 1 <= versions.newest + 1
        state = State(
            identity=self._identity,
            base=base.digest,
            is_full=full,
            paging=self._paging(),
            first=since + 1 if since is not None and knows_since else None,
            last=versions.newest if versions else None,
        )
        self._work.begin(state)
        return state

    def _paging(self) -> Paging:
        """By cursor, where the server has it and nothing else is said."""
        if self._config.paging != "auto":
            return self._config.paging
        unit = Unit(self._client, self._resources[0], kind=Kind.RECORDS, window=Window())
        return "offset" if unit.partitions(1, allow=NO_CURSOR) is None else "cursor"

    def _round(self, state: State, base: _Base) -> dict[str, Done]:
        done = {each.name: found for each in self._resources if (found := self._work.done(each.name))}
        todo = [each for each in self._resources if each.name not in done]
        for name in self._absent(todo):
            done[name] = Done(mode="absent")
        for resource in todo:
            if resource.name not in done:
                done[resource.name] = self._fetched(resource, state, base)
                self._work.keep(resource.name, done[resource.name])
        return done

    def _absent(self, resources: list[Resource]) -> list[str]:
        """Those that the server does not have. Raises FetchError that names all that the key may not read, at once."""
        with self._progress.step("ask for access", total=len(resources)):
            answers = {each.name: self._status(each) for each in resources}
        forbidden = [each for each in resources if answers[each.name] == FORBIDDEN]
        if forbidden:
            names = [each.name for each in forbidden]
            raise FetchError(
                f"The key may not read {counted(len(names), 'resource')}: {', '.join(names)} ({FORBIDDEN})",
                hint="ask the API's host for a claim set with the action Read on "
                f"{', '.join(each.claim for each in forbidden)}, for the whole district; or name them in leave_out "
                "under [api], and nothing is known of what they tell",
                resources=names,
                status=FORBIDDEN,
            )
        absent = [name for name, status in answers.items() if status == NOT_FOUND]
        needed = [name for name in absent if name in NEEDED]
        if needed:
            raise FetchError(
                f"The API has no {' and no '.join(needed)} ({NOT_FOUND})",
                hint="check `url` under [api]: it should be the root of the API, of the right year",
                resources=needed,
                status=NOT_FOUND,
            )
        return absent

    def _status(self, resource: Resource) -> int:
        status = Unit(self._client, resource, kind=Kind.RECORDS, window=Window()).status()
        self._progress.advance()
        return status

    def _fetched(self, resource: Resource, state: State, base: _Base) -> Done:
        fetching = Fetching(
            client=self._client, config=self._config, work=self._work, state=state, advance=self._advance
        )
        with self._progress.step(resource.name):
            done = self._changed(fetching, resource, base) if state.first is not None else None
            return done or fetch_whole(fetching, resource)

    def _changed(self, fetching: Fetching, resource: Resource, base: _Base) -> Done | None:
        old = base.manifest.resources.get(resource.name) if base.manifest else None
        if base.manifest is None or old is None or old.fields != fields_digest(resource):
            return None
        if not (self._work.folder / old.file).is_file():
            return None
        return fetch_changes(fetching, resource, old, is_base_whole=base.manifest.is_whole)

    def _advance(self, records: int) -> None:
        with self._lock:
            self._progress.advance(records)

    def _manifest(self, state: State, done: Mapping[str, Done]) -> FetchManifest:
        server = self._client.server
        return FetchManifest(
            url=self._config.url,
            data_standard=server.data_standard,
            api_version=server.api_version,
            change_version=state.last,
            is_whole=all(each.is_settled for each in done.values()),
            resources={name: each.resource for name, each in done.items() if each.resource},
            absent=tuple(sorted(name for name, each in done.items() if each.mode == "absent")),
            left_out=self._left_out,
        )


def _add_round(result: Fetched, manifest: FetchManifest, done: Mapping[str, Done]) -> None:
    result.manifest = manifest
    result.rounds += 1
    for name, each in done.items():
        rows = result.resources.setdefault(name, FetchedRows(each.mode))
        rows.records = each.resource.records if each.resource else 0
        rows.changed += each.changed
        rows.removed += each.removed
        rows.duplicates += each.duplicates
