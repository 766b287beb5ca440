"""Other splits as sections of the page: what each reaches and gains, and what of it a random split claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cis_ews.wording import counted
from training.contrasts import CHANCE, DISTRICT, DRAWS, LATER, LATER_MODEL, SCHOOL, SHOWN, STRANGERS, Contrast
from training.experiment import Trained
from training.section import Section, three_decimals
from training.validation import LOGISTIC, MODEL, RULES

HALVES = {DISTRICT: "districts", SCHOOL: "schools"}
FOLDS = (
    "no other figure of how good a model is rests on a random split; within a fit, the folds that choose rounds, blend "
    "and calibrator, and that judge a search's trials, are drawn by student (the card's held-out log loss is of those)"
)
FOLDS_OF_CANDIDATES = "; so are the parts that compare candidates, where one school has one year to learn from"


def contrasts_section(trained: Trained) -> Section:
    """The AUROC on each split, and the gains on what learns from the same rows and on what needs none."""
    found, draws = {one.name: one for one in trained.contrasts}, min(DRAWS, trained.config.validation.draws)
    missing = [f"{one.name}: not measured, {one.why}" for one in trained.not_measured]
    return Section(
        title="The same kind of model on other splits: AUROC",
        columns=("asked of", "the model", "on regr.", "on rules"),
        rows=[_row(one) for one in found.values()],
        notes=[
            *missing,
            *_claimed(found),
            *([FOLDS + FOLDS_OF_CANDIDATES] if found else []),
            *alike(trained.contrasts, draws=draws),
        ],
    )


def every_contrast(found: Sequence[Contrast]) -> list[Section]:
    """Every measure of every split, of whatever was asked the same, and what the model gained: for the file."""
    names = [name.replace("_", " ") for name in SHOWN]
    values = [
        [one.name, who, f"{one.rows:,}", *(three_decimals(each.values[name]) for name in SHOWN)]
        for one in found
        for who, each in one.table.items()
    ]
    gains = [
        [one.name, who, *(three_decimals(each.gains[name], sign=True) for name in SHOWN)]
        for one in found
        for who, each in one.table.items()
        if each.gains
    ]
    return [
        Section(title="Other splits: every measure", columns=("asked of", "who", "rows", *names), rows=values),
        Section(title="Other splits: what the model gained on each", columns=("asked of", "on", *names), rows=gains),
    ] * bool(found)


def _row(one: Contrast) -> list[str]:
    gains = (three_decimals(one.table[who].gains["auroc"], sign=True) for who in (LOGISTIC, RULES))
    return [one.name, three_decimals(one.table[MODEL].values["auroc"]), *gains]


def _claimed(found: Mapping[str, Contrast]) -> list[str]:
    if CHANCE not in found or LATER not in found:
        return []
    table = found[CHANCE].table
    claimed, later = (table[who].values["auroc"].value for who in (MODEL, LATER_MODEL))
    more = three_decimals(table[LATER_MODEL].gains["auroc"], sign=True)
    return [
        f"a random split would have claimed an AUROC of {claimed:.3f} where a model of earlier years reaches "
        f"{later:.3f} of the same rows: {more}"
    ]


def alike(found: Sequence[Contrast], *, draws: int) -> list[str]:
    """What is the same for all splits, and what is not."""
    if not found:
        return []
    most, dates = max(one.train_rows for one in found), found[0].as_of
    fewer = [f"{one.name} by {one.train_rows:,}" for one in found if one.train_rows < most]
    told = (
        f"each by a model of {most:,} rows, so that only what it learned from differs"
        if not fewer
        else f"each by a model of {most:,} rows, but {', '.join(fewer)}: fewer rows teach less, which is no matter of "
        "the split"
    )
    halves = [f"half of the {HALVES[one.name]} at a time" for one in found if one.name in HALVES and one.parts == 2]
    asked = [
        f"{counted(max(one.rows for one in found), 'row')} of {min(dates)} to {max(dates)}",
        *(f"of {STRANGERS} {one.rows:,}" for one in found if one.name == STRANGERS),
        *halves,
    ]
    return [told, f"asked: {', '.join(asked)}; intervals by {draws} draws of schools"]
