"""`python -m training SOURCE`: fit, measure, log and register. `python -m training promote`: make it the champion."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli import failures
from cis_ews.cli.options import Format, Json, Source, Store
from cis_ews.cli.session import Session, begin, read_source
from cis_ews.cli.terminal import Terminal
from cis_ews.wording import counted, model_notices
from training.config import DEFAULT, TrainingConfig

if TYPE_CHECKING:
    from cis_ews.risk.registry import TrainingRecord
    from cis_ews.schema.school_data import SchoolData
    from cis_ews.storage.store import RunStore
    from training.champion import Champion
    from training.experiment import Trained
    from training.gates import GateRecord
    from training.promotion import Promoted

PROGRAM = "python -m training"
VERBS = ("train", "promote")
Config = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="What to learn, and how (configs/training.toml).")
]
app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


@app.callback()
def start() -> None:
    """Learn from past school years, and say how well.

    `python -m training SOURCE` is `python -m training train SOURCE`.

    Exit codes: 0 done, 2 usage, 3 data refused, 4 no model can be fitted or
    found, 5 storage or registry, 1 a fault of the program.
    """


@app.command()
def train(
    context: typer.Context,
    source: Source,
    *,
    config: Config = DEFAULT,
    store: Store = None,
    source_format: Format = None,
    as_json: Json = False,
) -> None:
    """Fit a model on past school years, measure it on the last one, register it.

    Reads the extract as a night does (corrections and forgotten students of the
    store included), makes one matrix an as-of date, splits by school year,
    prints the model beside published rules, logistic regression and last
    year's value, and registers the model with its card.

    Example:

        python -m training extract --config configs/training.toml --store night
    """
    from cis_ews.risk.registry import Registry
    from training.card import CARD_PAGE
    from training.champion import load_champion

    settings = TrainingConfig.load(config)
    session = begin(context, as_json=as_json)
    runs = session.store(store)
    registry = Registry(session.registry(runs))
    # Before anything is learned: a registry that is down is no reason to work for minutes first.
    registry.check_ready()
    champion = load_champion(registry, settings.name)
    learned = partial(_trained, session, source, settings, champion=champion)
    trained = learned(runs=runs, source_format=source_format)
    _show(session.terminal, trained)
    with session.terminal.step("register"):
        registered = registry.register(trained.model, _record(trained), name=settings.name)
    session.terminal.say(f"\nRegistered {registered.uri} ({registered.model_version}) in {registry.place}")
    session.terminal.say("Beside it: validation.md (every row), validation.json, gates.json, model_card.md")
    card = registry.path_of(registered, CARD_PAGE)
    session.terminal.say("Its card:" if card else f"Its card: {CARD_PAGE} of its run in MLflow")
    if card:
        session.terminal.say(str(card))
    session.terminal.say(f"Next: {PROGRAM} promote --store {shlex.quote(str(runs.root))}")
    session.terminal.record("registered", uri=registered.uri, model_version=registered.model_version)


@app.command()
def promote(
    context: typer.Context,
    *,
    config: Config = DEFAULT,
    store: Store = None,
    number: Annotated[
        int | None, typer.Option("--version", min=1, help="The version's number. Default: the newest.")
    ] = None,
    override: Annotated[
        str | None,
        typer.Option("--override", metavar="REASON", help="Why, in spite of gates that do not pass. Kept for good."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a registered version the champion, which nights use by that name.

    Only where its gates pass: no worse than the champion and the rules,
    calibrated, fair, without leaks, with steady reasons. Exit code 4 says which
    do not, and by how much. A reason given with --override is kept for good and
    shown on the card: name no student in it.

    Examples:

        python -m training promote --store night

        python -m training promote --version 2 --override "back to the model of
        last year: the newest one flags a whole school"
    """
    from cis_ews.risk.registry import CHAMPION, SCHEME, Registry
    from training.promotion import promote as pass_gates

    settings = TrainingConfig.load(config)
    session = begin(context, as_json=as_json)
    registry = Registry(session.registry(session.store(store)))
    with session.terminal.step("promote"):
        done = pass_gates(registry, name=settings.name, number=number, override=override)
    promoted = done.version
    champion = f"{SCHEME}{promoted.name}@{CHAMPION}"
    _show_gates(session.terminal, done)
    session.terminal.say(f"{champion} is version {promoted.number} now")
    session.terminal.say(f"It is {promoted.model_version} and learned {promoted.label}")
    session.terminal.record(
        "promoted",
        uri=champion,
        number=promoted.number,
        model_version=promoted.model_version,
        label=promoted.label,
        gates={gate.name: gate.state.value for gate in done.gates},
        override=done.override,
    )


def _show_gates(terminal: Terminal, done: Promoted) -> None:
    if not done.gates:
        terminal.say("It is the champion already")
        return
    passed = len(done.gates) - len(done.refused)
    terminal.say(f"{passed} of {counted(len(done.gates), 'gate')} pass")
    for gate in done.refused:
        terminal.item(gate.refusal(), mark="!")
    if done.override is not None:
        terminal.item(f"overridden, and kept for good: {done.override}")


def _trained(
    session: Session,
    source: Path,
    settings: TrainingConfig,
    *,
    champion: Champion | None,
    runs: RunStore,
    source_format: str | None,
) -> Trained:
    from cis_ews.risk.tier_policy import TierPolicy
    from cis_ews.synthetic import is_made_up
    from training.experiment import train as learn

    school_data = _as_a_night_reads(session, read_source(session, source, source_format), runs)
    return learn(
        school_data,
        settings,
        policy=TierPolicy.load(session.settings.policy.tiers),
        made_up=is_made_up(source),
        progress=session.terminal,
        champion=champion,
        erased=runs.erased().among(school_data.students["student_id"]),
    )


def _as_a_night_reads(session: Session, school_data: SchoolData, runs: RunStore) -> SchoolData:
    from cis_ews.corrections import apply_corrections

    with session.terminal.step("correct"):
        return apply_corrections(school_data, runs)


def _show(terminal: Terminal, trained: Trained) -> None:
    from training.page import found, sections

    _show_matrices(terminal, trained)
    for section in sections(trained):
        terminal.table(section.title, section.shown_columns, section.shown)
        if not section.shown:
            terminal.say(f"\n{section.title}")
        for note in (*section.notes, *section.brief_notes):
            terminal.item(note)
    for notice in model_notices({"about": trained.model.about}):
        terminal.item(notice, mark="!")
    terminal.record(
        "trained",
        about=dict(trained.model.about),
        summary=dict(trained.model.summary),
        **found(trained),
        left_out={left.name: left.why for left in trained.left_out},
        skipped={str(day): why for day, why in {**trained.matrices.skipped, **trained.measured.skipped}.items()},
    )


def _show_matrices(terminal: Terminal, trained: Trained) -> None:
    from training.card_data import BRIEF, COLUMNS, data_rows

    rows = [row[BRIEF] for row in data_rows(trained.matrices.summaries)]
    terminal.table("Learned from: one matrix an as-of date", COLUMNS[BRIEF], rows)
    skipped = {**trained.matrices.skipped, **trained.measured.skipped}
    if skipped:
        terminal.item(f"{counted(len(skipped), 'as-of date')} not used: {next(iter(skipped.values()))}")
    for split in trained.validation.splits:
        terminal.item(
            f"school year {split.school_year} is measured by a model of {counted(len(split.train), 'as-of date')} of "
            f"earlier years: their last label ends on {split.learned_through}, {counted(split.clear_days, 'day')} "
            "before the first date that is measured"
        )
        if split.between:
            days = counted(len(split.between), "as-of date")
            terminal.item(f"{days} not used for measuring: the horizon reaches into the year that is held back")


def _record(trained: Trained) -> TrainingRecord:
    from cis_ews.risk.registry import TrainingRecord
    from training.card import CARD_PAGE, CARD_TEXT, model_card
    from training.card_page import card_page
    from training.gates import RECORD
    from training.page import found, validation_page

    about = trained.model.about
    hashes = {name: str(about[name]) for name in ("data_sha256", "config_sha256", "features_sha256")}
    return TrainingRecord(
        settings={
            **trained.config.model_dump(mode="json"),
            **trained.model.summary,
            "candidate": trained.choice.winner,
            "recipe": trained.model.recipe.to_plain(),
        },
        measured={
            "null_control.gain": trained.null.gain,
            "null_control.p_value": trained.null.p_value,
        }
        | {
            f"{who.replace(' ', '_').replace(chr(39), '')}.{name}": estimate.value
            for who, compared in trained.validation.table.items()
            for name, estimate in compared.values.items()
        },
        twin=trained.twin,
        tags={
            **hashes,
            **_gate_tags(trained.gates),
            "label": trained.config.label,
            "made_up": str(about["made_up"]).lower(),
        },
        texts={
            RECORD: trained.gates.text(),
            CARD_TEXT: model_card(trained),
            CARD_PAGE: card_page(trained),
            "validation.md": validation_page(trained),
            "validation.json": json.dumps(found(trained), default=str, indent=1) + "\n",
        },
    )


def _gate_tags(record: GateRecord) -> dict[str, str]:
    from training.gates import RECORD_HASH, hash_of

    refused = ", ".join(gate.name for gate in record.refused)
    return {RECORD_HASH: hash_of(record.text()), "gates": f"refused: {refused}" if refused else "passed"}


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. A source alone means `train`."""
    is_verb = not arguments or arguments[0] in (*VERBS, "-h", "--help")
    return failures.run(app, arguments if is_verb else ["train", *arguments], name=PROGRAM)


if __name__ == "__main__":
    failures.leave(run(sys.argv[1:]))
