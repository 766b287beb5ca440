"""One resource of a round: fetched whole, or brought up to date by what was changed, deleted and renamed.

The server counts, before and after; where its numbers and ours do not agree, the resource is fetched again, or whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cis_ews.errors import FetchError
from cis_ews.fetching.arrivals import Arrivals, Plan
from cis_ews.fetching.edfi_client import EdFiClient
from cis_ews.fetching.edfi_units import Kind, MovedError, Paging, Unit, Window
from cis_ews.fetching.edfi_work import Done, State, Work, file_name
from cis_ews.fetching.merging import Merged, merge, sorted_runs
from cis_ews.readers.edfi_api_config import ApiConfig
from cis_ews.readers.edfi_fetched import FetchedResource
from cis_ews.readers.edfi_resources import Resource, fields_digest
from cis_ews.wording import counted

ATTEMPTS = 3
REFUSED = 400
_UNITS = {Kind.RECORDS: "changed", Kind.DELETES: "deletes", Kind.KEY_CHANGES: "key_changes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """What fetching a resource needs: whom to ask and how, and where to keep what comes."""

    client: EdFiClient
    config: ApiConfig
    work: Work
    state: State
    advance: Callable[[int], None]

    def unit(self, resource: Resource, kind: Kind = Kind.RECORDS, *, window: Window) -> Unit:
        """A unit of the resource."""
        return Unit(self.client, resource, kind=kind, window=window)


def fetch_whole(fetching: Fetching, resource: Resource) -> Done:
    """All records of a resource. Raises FetchError where they move too much to be read."""
    unit = fetching.unit(resource, window=Window(last=fetching.state.last))
    arrivals, out = fetching.work.arrivals(resource.name, "whole"), fetching.work.out(resource.name)
    came = there = 0
    for _ in range(ATTEMPTS):
        plan = _arrived(fetching, unit, arrivals)
        if plan is not None:
            merged = merge(out, changed=_runs(arrivals, plan))
            came, there = merged.records, unit.count()
            is_settled = there == plan.total
            is_closed = fetching.state.last is not None
            if came >= there if is_closed else came == there == plan.total:
                return _done("whole", resource, merged, is_settled=is_settled)
        arrivals.forget()
    raise FetchError(
        f"{resource.name}: {counted(came, 'record')} "
        f"came and {there:,} were counted, in the last of {ATTEMPTS} attempts: they "
        "move while they are read",
        hint="fetch when nobody works in the system; or ask the API's host for change queries, or for a snapshot",
        resources=[resource.name],
    )


def fetch_changes(fetching: Fetching, resource: Resource, old: FetchedResource, *, is_base_whole: bool) -> Done | None:
    """The old records with what has become of them; None where that cannot be told, and all must be fetched."""
    units = {
        kind: fetching.unit(resource, kind, window=Window(fetching.state.first, fetching.state.last)) for kind in Kind
    }
    deletes, renames = (units[kind].count_if_any() for kind in (Kind.DELETES, Kind.KEY_CHANGES))
    if deletes is None:
        return None
    counts = {Kind.RECORDS: units[Kind.RECORDS].count(), Kind.DELETES: deletes, Kind.KEY_CHANGES: renames or 0}
    if not any(counts.values()):
        kept = Done(mode="kept", resource=old)
        return kept if _agrees(fetching, resource, old.records) else None
    runs: dict[Kind, Sequence[Path]] = {}
    for kind, count in counts.items():
        arrivals = fetching.work.arrivals(resource.name, _UNITS[kind])
        plan = _arrived(fetching, units[kind], arrivals) if count else None
        if count and plan is None:
            return None
        runs[kind] = _runs(arrivals, plan) if plan else []
    merged = merge(
        fetching.work.out(resource.name),
        kept=fetching.work.folder / old.file,
        changed=runs[Kind.RECORDS],
        removed=runs[Kind.DELETES],
        renamed=runs[Kind.KEY_CHANGES],
    )
    there = units[Kind.RECORDS].count()
    left = counts[Kind.RECORDS] - there
    is_complete = merged.changed >= there and merged.renamed_alone <= max(left, 0)
    if not (is_complete and _agrees(fetching, resource, merged.records)):
        return None
    return _done("changes", resource, merged, is_settled=is_base_whole or left == 0)


def _arrived(fetching: Fetching, unit: Unit, arrivals: Arrivals) -> Plan | None:
    """The plan by which a unit has come as a whole; None where its pages do not fit together."""
    plan = arrivals.plan
    is_resumed = plan is not None
    if plan is None:
        plan = unit.plan(_paging(fetching, unit), fetching.config, unit.count())
        arrivals.begin(plan)
    try:
        unit.fetch(arrivals, plan, connections=fetching.config.connections, advance=fetching.advance)
    except MovedError:
        return None
    except FetchError as error:
        # A place that the server does not know any more: what was kept is of no use to go on from.
        if is_resumed and error.details.get("status") == REFUSED:
            return None
        raise
    return plan


def _paging(fetching: Fetching, unit: Unit) -> Paging:
    return fetching.state.paging if unit.kind is Kind.RECORDS else "offset"


def _runs(arrivals: Arrivals, plan: Plan) -> Sequence[Path]:
    return sorted_runs(arrivals.files(plan), arrivals.folder / "runs")


def _agrees(fetching: Fetching, resource: Resource, records: int) -> bool:
    """Whether the server has as many as we: but for those that it has changed or deleted since."""
    last = fetching.state.last
    there = fetching.unit(resource, window=Window(last=last)).count()
    if there == records or last is None:
        return there == records
    later = Window(first=last + 1)
    changed = fetching.unit(resource, window=later).count()
    deleted = fetching.unit(resource, Kind.DELETES, window=later).count()
    return 0 <= records - there <= changed + deleted


def _done(mode: Literal["whole", "changes"], resource: Resource, merged: Merged, *, is_settled: bool) -> Done:
    kept = FetchedResource(
        file=file_name(resource.name, merged.sha256),
        records=merged.records,
        sha256=merged.sha256,
        fields=fields_digest(resource),
    )
    return Done(
        mode=mode,
        resource=kept,
        changed=merged.changed,
        removed=merged.removed,
        duplicates=merged.duplicates,
        is_settled=is_settled,
    )
