"""The store: a folder with the runs, the list of forgotten students, the corrections, and one lock for all writers."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cis_ews.errors import RunNotFoundError, StorageError, StoreLockedError
from cis_ews.storage.erased import ERASED, ErasedStudents, read_erased, write_erased
from cis_ews.storage.files import LEFTOVER, discard, disk_errors, make_private_folder, remove, sync
from cis_ews.storage.manifest import RUN_ID_LENGTH
from cis_ews.storage.runs import Run, RunContents, WriteAll, open_run, run_date, write_one_by_one, write_run
from cis_ews.storage.workspace import Workspace

LOCK = ".lock"
_DATE = "-".join(("[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2))
_RUN_ID = "[0-9a-f]" * RUN_ID_LENGTH
PATIENCE = 1.0
"""For so many seconds whoever wants the lock waits: the last step of a compaction is shorter, a night is not."""
_STEP = 0.05
REPLACEMENT = ".replacement-"
"""What a hidden run begins with that is whole and waits to take the place of the one it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The runs of a store that can be opened; of the others, folder by folder, what is wrong and what to do."""

    runs: tuple[Run, ...]
    refused: Mapping[Path, StorageError]


class RunStore:
    """A folder in which nights leave their runs. Making the object touches nothing on the disk.

    `lock()` lets one writer in at a time; within one thread it may be taken again through the same object.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._thread = threading.RLock()
        self._depth = 0

    @property
    def database_url(self) -> str:
        """The database that belongs to a store unless another one is named."""
        return f"sqlite:///{self.root / 'cis_ews.db'}"

    @property
    def corrections(self) -> Path:
        """Where corrected records lie: one folder a student, named by `student_folder`."""
        return self.root / "corrections"

    def student_folder(self, student_id: str) -> Path:
        """The folder of a student's corrections; its name is a salted hash, never the id."""
        if not (self.root / ERASED).exists():
            with self.lock():  # which sees to it that the store has a salt
                pass
        return self.corrections / self.erased().digest(student_id)[:32]

    def erased(self) -> ErasedStudents:
        """The students whom later nights leave out."""
        return read_erased(self.root)

    def runs(self) -> list[Run]:
        """All runs, by as-of date and then by id. Raises RunDamagedError where one cannot be opened."""
        return [open_run(folder) for folder in self.folders()]

    def opened(self) -> Opened:
        """The runs that can be opened, as `runs` has them, and what is wrong with the others."""
        runs, refused = list[Run](), dict[Path, StorageError]()
        for folder in self.folders():
            try:
                runs.append(open_run(folder))
            except StorageError as error:
                refused[folder] = error
        return Opened(runs=tuple(runs), refused=refused)

    def folders(self) -> list[Path]:
        """The folders of all runs, whether or not they can be opened."""
        with disk_errors(self.root, "read the store"):
            return sorted(path for path in self.root.glob(f"runs/{_DATE}/{_RUN_ID}") if path.is_dir())

    def latest(self, as_of: date | None = None) -> Run:
        """The newest run, or the newest of one as-of date; of several, the one written last.

        Raises RunNotFoundError if there is none, RunDamagedError if a run of that date cannot be opened: an older one
        would be taken for the newest.
        """
        return max(self.of_day(as_of), key=lambda run: (run.created_at, run.run_id))

    def of_day(self, as_of: date | None = None) -> list[Run]:
        """The runs of an as-of date, or of the newest one; raises as `latest` does."""
        folders = self.folders()
        day = as_of or max(map(run_date, folders), default=None)
        found = [open_run(folder) for folder in folders if run_date(folder) == day]
        if not found:
            wanted = "" if as_of is None else f" for {as_of.isoformat()}"
            raise RunNotFoundError(
                f"{self.root} holds no run{wanted}", hint="score a night into it with `cis-ews score`"
            )
        return found

    def find(self, run_id: str) -> Run | None:
        """The run with this id, or None."""
        return next((open_run(folder) for folder in self.folders() if folder.name == run_id), None)

    def workspace(self, run_id: str, *, plan: Mapping[str, object]) -> Workspace:
        """Where the night that makes this run keeps its parts while it works; call it under the lock.

        What an earlier attempt at the same night by the same plan has finished is still there.
        """
        if not self._depth:
            raise StorageError("a night works without the lock", hint="take `RunStore.lock()` around it")
        return Workspace.opened(self.root, run_id, plan=plan)

    def write(
        self,
        contents: RunContents,
        *,
        timings: Mapping[str, object] | None = None,
        write_all: WriteAll = write_one_by_one,
    ) -> Run:
        """Write a run under the lock, or find and verify the one that is there. See `runs.write_run`."""
        with self.lock():
            return write_run(self.root, contents, timings=timings, write_all=write_all)

    @contextmanager
    def lock(self) -> Generator[None]:
        """Be the only writer; the lock ends with the process, however that ends.

        The first to enter also clears what a killed writer left behind. Raises StoreLockedError if another holds it
        for longer than `PATIENCE`.
        """
        if not self._thread.acquire(timeout=PATIENCE):
            raise self._locked()
        try:
            if self._depth:
                yield
            else:
                with self._flock():
                    self._depth += 1
                    try:
                        self._recover()
                        self._keep_salt()
                        yield
                    finally:
                        self._depth -= 1
        finally:
            self._thread.release()

    @contextmanager
    def _flock(self) -> Generator[None]:
        with disk_errors(self.root, "open the store"):
            make_private_folder(self.root)
            handle = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not _flocked(handle):
                raise self._locked()
            yield
        finally:
            os.close(handle)

    def _locked(self) -> StoreLockedError:
        return StoreLockedError(
            f"another process is writing to {self.root}",
            hint="wait until it has ended (a night, a correction, retention), then run again",
        )

    def _recover(self) -> None:
        """Finish replacements that were whole, then remove what was not."""
        with disk_errors(self.root, "clear leftovers in"):
            for whole in sorted(self.root.glob(f"runs/*/{REPLACEMENT}*")):
                self._put(whole)
            for place in (self.root, self.root / "runs", *self.root.glob("runs/*"), *self.corrections.glob("*")):
                for path in place.glob(f"{LEFTOVER}*"):
                    remove(path)

    def _keep_salt(self) -> None:
        erased = self.erased()  # raises where the list is damaged: without it nothing may be written
        if not (self.root / ERASED).exists():
            write_erased(self.root, erased)

    def replace(self, run: Run, made: Path) -> Run:
        """Let a whole, synced folder beside a run take its place; killed at any moment, the next lock finishes it."""
        if not self._depth:
            raise StorageError("a run is replaced without the lock", hint="take `RunStore.lock()` around it")
        with disk_errors(run.path, "replace"):
            whole = run.path.with_name(f"{REPLACEMENT}{run.path.name}")
            made.rename(whole)
            sync(whole.parent)
            self._put(whole)
        return open_run(run.path)

    def _put(self, whole: Path) -> None:
        place = whole.with_name(whole.name.removeprefix(REPLACEMENT))
        if place.exists():
            discard(place)
        whole.rename(place)
        sync(place.parent)

    def remove(self, folder: Path) -> None:
        """Take the run in a folder out of the store."""
        with self.lock(), disk_errors(folder, "remove"):
            discard(folder)
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()


def _flocked(handle: int) -> bool:
    """Take the lock of an open file; False where it was not free within `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_STEP)
        else:
            return True
