"""What a fetch has not finished, in the hidden folder `.fetch`: its state, its units, and the resources done so far."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cis_ews.errors import ConfigError, StoreLockedError
from cis_ews.fetching.arrivals import PRIVATE, Arrivals
from cis_ews.readers.edfi_fetched import MANIFEST, WORK, FetchedResource, FetchManifest, manifest_of
from cis_ews.readers.edfi_resources import RESOURCES
from cis_ews.storage.files import json_bytes, make_private_folder, remove, replace_durably, sync

STALE_SECONDS = 12 * 3600
"""A server that does not count changes must not be read in pieces that are further apart."""
_LOCK = ".fetch.lock"
_NAME = re.compile(rf"({'|'.join(RESOURCES)})\.[0-9a-f]{{12}}\.jsonl")


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class State(_Kept):
    """A round of a fetch: what it fetches, over which manifest, and the window of change versions.

    `first`: None where everything is fetched. `last`: None where the server does not count changes.
    """

    identity: str
    base: str | None
    is_full: bool
    paging: Literal["cursor", "offset"]
    first: int | None
    last: int | None


class Done(_Kept):
    """What a round has made of a resource. `is_settled`: nobody moved out of the window without being met in it.

    `changed`: new or other records; `removed`; `duplicates`: lines of a record that had come before, left out.
    """

    mode: Literal["whole", "changes", "kept", "absent"]
    resource: FetchedResource | None = None
    changed: int = 0
    removed: int = 0
    duplicates: int = 0
    is_settled: bool = True


Content = TypeVar("Content", bound=_Kept)


class Work:
    """The folder of a fetch, with what is unfinished in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._root = folder, folder / WORK

    def state(self) -> tuple[State, float] | None:
        """The state of an unfinished round, and its age in seconds."""
        path = self._root / "state.json"
        state = _loaded(path, State)
        return None if state is None else (state, time.time() - path.stat().st_mtime)

    def begin(self, state: State) -> None:
        """Forget what is unfinished, and begin a round."""
        remove(self._root)
        make_private_folder(self._root / "done")
        _save(self._root / "state.json", state)

    def arrivals(self, resource: str, unit: str) -> Arrivals:
        """The folder of a unit."""
        return Arrivals(self._root / "units" / resource / unit)

    def out(self, resource: str) -> Path:
        """Where the records of a resource are put together."""
        return self._root / "done" / f"{resource}.jsonl"

    def done(self, resource: str) -> Done | None:
        """What this round has made of a resource already."""
        return _loaded(self._root / "done" / f"{resource}.json", Done)

    def keep(self, resource: str, done: Done) -> None:
        """A resource is done: what arrived of it goes."""
        _save(self._root / "done" / f"{resource}.json", done)
        remove(self._root / "units" / resource)

    def base(self) -> tuple[FetchManifest, str] | None:
        """What was fetched before, and the hash of its manifest. Raises ReadError where that is another file."""
        path = self.folder / MANIFEST
        if not path.exists():
            return None
        content = path.read_bytes()
        return manifest_of(content), hashlib.sha256(content).hexdigest()

    def publish(self, manifest: FetchManifest) -> None:
        """Let the new files take the place of the old ones: a reader sees the one or the other."""
        for name, resource in manifest.resources.items():
            made = self.out(name)
            if made.exists():
                made.chmod(PRIVATE)
                made.replace(self.folder / resource.file)
        sync(self.folder)
        replace_durably(self.folder / MANIFEST, json_bytes(manifest.model_dump(mode="json")), mode=PRIVATE)
        named = {resource.file for resource in manifest.resources.values()}
        for path in self.folder.iterdir():
            if _NAME.fullmatch(path.name) and path.name not in named:
                path.unlink()
        remove(self._root)


def file_name(resource: str, sha256: str) -> str:
    """The name of a file says what is in it: another content has another name."""
    return f"{resource}.{sha256[:12]}.jsonl"


@contextmanager
def sole_writer(folder: Path) -> Generator[None]:
    """Be the only fetch into a folder. Raises StoreLockedError, and ConfigError where other things lie in it."""
    make_private_folder(folder)
    others = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if others and MANIFEST not in others and not (folder / WORK).is_dir():
        raise ConfigError(f"{folder} holds files that no fetch has made", hint="name an empty or a new folder")
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        if not _locked(handle):
            raise StoreLockedError(f"another fetch is writing to {folder}", hint="wait until it has ended")
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def digest_of(*said: object, fields: Mapping[str, str]) -> str:
    """A hash of what makes two fetches the same one."""
    return hashlib.sha256(json_bytes([*map(str, said), dict(fields)])).hexdigest()


def _save(path: Path, content: BaseModel) -> None:
    replace_durably(path, json_bytes(content.model_dump(mode="json")), mode=PRIVATE)


def _loaded(path: Path, kind: type[Content]) -> Content | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
