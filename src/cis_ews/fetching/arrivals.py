"""Pages on the disk as they arrive, so that a fetch that was killed goes on behind the last one that is whole.

A unit (one resource, all of it or what has changed) has a folder: its plan, and for each part of it a file of JSON
lines beside a journal. A page is written and seen onto the disk before the journal says so; what the journal does not
know is cut off.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cis_ews.fetching.shapes import as_object
from cis_ews.storage.files import json_bytes, make_private_folder, remove, replace_durably, sync

PLAN = "plan.json"
Place = str | int
"""Where a page begins: a token of the server, or an offset."""
PRIVATE = 0o600


class Plan(BaseModel):
    """How a unit is read. `total`: records that the server counted before. `starts`: the first page of each part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paging: Literal["cursor", "offset"]
    size: int
    total: int
    starts: tuple[Place, ...]


class Arrivals:
    """The folder of a unit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def plan(self) -> Plan | None:
        """The plan by which a unit was begun; None where it was not, or its plan is damaged."""
        try:
            return Plan.model_validate_json((self.folder / PLAN).read_bytes())
        except (OSError, ValidationError):
            return None

    def begin(self, plan: Plan) -> None:
        """Forget what was there, and begin by a plan."""
        self.forget()
        make_private_folder(self.folder)
        replace_durably(self.folder / PLAN, json_bytes(plan.model_dump()), mode=PRIVATE)

    def forget(self) -> None:
        """Take away what has arrived."""
        remove(self.folder)

    def parts(self, plan: Plan) -> list[Part]:
        """The parts of a plan, each where it stands."""
        return [Part(self.folder / f"{number:03d}", start) for number, start in enumerate(plan.starts)]

    def files(self, plan: Plan) -> list[Path]:
        """The files of the parts, in order."""
        return [part.data for part in self.parts(plan)]


class Part:
    """One part of a unit. `next`: where its next page begins, None where it is done."""

    def __init__(self, path: Path, start: Place) -> None:
        self.data, self._journal = path.with_suffix(".jsonl"), path.with_suffix(".journal")
        self.next: Place | None = start
        self.records = self._bytes = 0
        self._recover()

    def append(self, lines: bytes, *, records: int, following: Place | None) -> None:
        """Keep one page."""
        if lines:
            _append(self.data, lines)
            sync(self.data)
        self._bytes += len(lines)
        self.records += records
        self.next = following
        entry = {"next": following, "bytes": self._bytes, "records": self.records}
        # If the disk forgets this line, a page is asked for again: nothing that it says is ever not there.
        _append(self._journal, json.dumps(entry).encode() + b"\n")

    def _recover(self) -> None:
        """Go back to the last page that the journal knows and the file holds."""
        size = self.data.stat().st_size if self.data.exists() else 0
        known = 0
        for line in self._journal.read_bytes().splitlines(keepends=True) if self._journal.exists() else []:
            entry = _entry(line)
            if entry is None or entry["bytes"] > size:
                break
            self.next, self._bytes, self.records = entry["next"], entry["bytes"], entry["records"]
            known += len(line)
        for path, length in ((self.data, self._bytes), (self._journal, known)):
            if path.exists():
                os.truncate(path, length)


def _append(path: Path, content: bytes) -> None:
    with open(path, "ab", opener=lambda name, flags: os.open(name, flags, PRIVATE)) as file:
        file.write(content)


def _entry(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        found = as_object(json.loads(line))
    except ValueError:
        return None
    return found if found and {"next", "bytes", "records"} <= found.keys() else None
