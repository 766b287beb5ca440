"""Verbs about the store: its database, its runs, its keys, and what is too old to be kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.night import engine_of
from cis_ews.cli.options import Json, Store
from cis_ews.cli.session import begin
from cis_ews.cli.show import show_compacted, show_deleted, show_refused
from cis_ews.errors import ConfigError, RunDamagedError, RunNotFoundError, StorageError
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.storage.runs import Run

db = typer.Typer(help="The database of current flags: make it, back it up, restore it.", no_args_is_help=True)
key = typer.Typer(help="Keys for school systems: one district each.", no_args_is_help=True)
runs = typer.Typer(help="The runs of a store: list them, compare them with their hashes.", no_args_is_help=True)

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="A zip file.", show_default=False)]


@db.command()
def upgrade(context: typer.Context, *, store: Store = None, as_json: Json = False) -> None:
    """Make the tables, or bring them to this version.

    Safe to repeat. Back up first where there are tables already.

    Example:

        cis-ews db upgrade --store night
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        before = database.revision
        database.upgrade()
        step = "as it was" if before == database.revision else f"was at {before or 'nothing'}"
        session.terminal.say(f"The database {database.label} is at step {database.revision} ({step}).")
        session.terminal.record("upgraded", before=before, revision=database.revision)


@db.command()
def backup(context: typer.Context, file: BackupFile, *, store: Store = None, as_json: Json = False) -> None:
    """Write every table of the database into one zip file.

    The runs are files: back them up by copying the store's folder. The zip
    holds names and keys' hashes; only you can read it.

    Example:

        cis-ews db backup monday.zip --store night
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        rows = database.backup(file)
    session.terminal.table("Backed up", ["table", "rows"], list(rows.items()))
    session.terminal.record("backed_up", rows=rows)


@db.command()
def restore(context: typer.Context, file: BackupFile, *, store: Store = None, as_json: Json = False) -> None:
    """Put a backup in place of all tables.

    A backup of an older version is brought to this one. Students who were
    forgotten since are left out again, and taken out of runs that came back
    from a copy of the store.

    Example:

        cis-ews db restore monday.zip --store night
    """
    from cis_ews.storage.erasure import reapply_erasures

    session = begin(context, as_json=as_json)
    named = session.store(store)
    with named.lock(), session.database(named) as database:
        rows = database.restore(file, erased=named.erased())
        reapply_erasures(named, database, today=date.today())
    session.terminal.table("In the backup", ["table", "rows"], list(rows.items()))
    session.terminal.record("restored", rows=rows)


@key.command()
def create(
    context: typer.Context,
    district: Annotated[str, typer.Argument(metavar="DISTRICT_ID", help="The district whose data it opens.")],
    *,
    label: Annotated[str, typer.Option("--label", help="What it is for, for the list.")] = "",
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once and stored as a hash.

    Example:

        cis-ews key create d1 --label "student information system"
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        key_id, secret = database.create_key(district, label)
        known = database.districts()
    session.terminal.say(f"Key {key_id} for district {district}. It is shown this once:\n\n{secret}")
    if district not in known:
        session.terminal.say()
        session.terminal.line(f"No run of that district is published yet; published are: {', '.join(known) or 'none'}")
    session.terminal.record("key_created", key_id=key_id, district_id=district, key=secret)


@key.command("list")
def list_keys(context: typer.Context, *, store: Store = None, as_json: Json = False) -> None:
    """List the keys, the revoked ones too; never the secrets.

    Example:

        cis-ews key list --store night
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        keys = database.list_keys()
    rows = [
        (one.key_id, one.district_id, one.label, one.created_at.date(), one.revoked_at and one.revoked_at.date())
        for one in keys
    ]
    session.terminal.table("Keys", ["key", "district", "label", "made", "revoked"], rows)
    if not keys:
        session.terminal.say("There are no keys.")
    for one in keys:
        session.terminal.record(
            "key",
            key_id=one.key_id,
            district_id=one.district_id,
            label=one.label,
            created_at=one.created_at,
            revoked_at=one.revoked_at,
        )


@key.command()
def revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id, from key list.")],
    *,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """End a key at once.

    Example:

        cis-ews key revoke 3f9a12cd0b77
    """
    session = begin(context, as_json=as_json)
    with session.database(session.store(store)) as database:
        revoked = database.revoke_key(key_id)
    if not revoked:
        raise ConfigError("There is no such key, or it had ended before", hint="see cis-ews key list")
    session.terminal.say("The key has ended.")
    session.terminal.record("key_revoked", key_id=key_id)


@runs.command("list")
def list_runs(context: typer.Context, *, store: Store = None, as_json: Json = False) -> None:
    """List the runs of a store, oldest first.

    A run that cannot be opened is named, with what to do; see runs verify.

    Example:

        cis-ews runs list --store night
    """
    session = begin(context, as_json=as_json)
    opened = session.existing_store(store).opened()
    found = opened.runs
    columns = ["as of", "run", "students", "Tier 3", "Tier 2", "model"]
    session.terminal.table("Runs", columns, [_row(run) for run in found])
    if not found and not opened.refused:
        session.terminal.say("There are no runs.")
    if compacted := [run.run_id for run in found if run.away]:
        session.terminal.say()
        session.terminal.line(f"Compacted: {', '.join(compacted)}")
    show_refused(session.terminal, opened.refused)
    for run in found:
        session.terminal.record(
            "run",
            run_id=run.run_id,
            as_of=run.as_of,
            model_version=run.model_version,
            counts=run.manifest["counts"],
            path=str(run.path),
            away=sorted(run.away),
        )


@runs.command()
def verify(context: typer.Context, *, store: Store = None, as_json: Json = False) -> None:
    """Compare every file of every run with its manifest.

    Exit code 5 where a run is damaged.

    Example:

        cis-ews runs verify --store night
    """
    from cis_ews.storage.runs import open_run, verify_run

    session = begin(context, as_json=as_json)
    found = session.existing_store(store).folders()
    damaged: list[str] = []
    compacted = 0
    with session.terminal.step("verify", total=len(found)):
        for folder in found:
            try:
                compacted += bool(verify_run(open_run(folder)).away)
            except (RunDamagedError, RunNotFoundError):
                damaged.append(str(folder))
            session.terminal.advance()
    session.terminal.record("verified", runs=len(found), compacted=compacted, damaged=damaged)
    if damaged:
        raise StorageError(
            f"{len(damaged)} of {counted(len(found), 'run')} damaged: {', '.join(damaged)}",
            hint="restore them from a copy, or move them away and score these nights again",
        )
    of_these = f" {compacted} of them compacted." if compacted else ""
    session.terminal.say(f"{counted(len(found), 'run')} checked and whole.{of_these}")


def retention(
    context: typer.Context,
    *,
    store: Store = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="A retention policy in TOML, over the shipped one."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: Json = False,
) -> None:
    """Delete what is older than the retention policy allows.

    Where the policy says so, old runs are compacted: what is big goes, if the
    night can be made again (cis-ews replay RUN --restore brings it back).

    Example:

        cis-ews retention --store night --dry-run
    """
    from cis_ews.compacting import compact_old_runs
    from cis_ews.storage.retention import RetentionPolicy, apply_retention

    session = begin(context, as_json=as_json)
    chosen = RetentionPolicy.load(policy or session.settings.policy.retention)
    named = session.existing_store(store)
    with session.database_if_any(named) as database:
        report = apply_retention(named, chosen, today=date.today(), database=database, dry_run=dry_run)
    show_deleted(session.terminal, report)
    if chosen.compact_after_days:
        with engine_of(session) as engine:
            compacted = compact_old_runs(
                named, chosen, today=date.today(), dry_run=dry_run, engine=engine, progress=session.terminal
            )
        show_compacted(session.terminal, compacted)


def _row(run: Run) -> list[object]:
    counts = run.manifest["counts"]
    tiers = [counts[name] for name in ("students", "tier_3", "tier_2")]
    return [run.as_of, run.run_id, *tiers, run.model_version]
