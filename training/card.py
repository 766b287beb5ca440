"""The model card: what the model is for, what it learned from, how good it is, and what it must not be used for.

Made from the training, and not typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.labels import LABELS
from cis_ews.wording import DEMONSTRATION
from training.experiment import Trained
from training.matrices import described
from training.page import COLUMNS, accuracy_rows, controls, markdown_table

FEATURES_SHOWN = 15
USE = """## What it is for

It helps a site coordinator of Communities In Schools to see, among hundreds of students, who may need a conversation
about support, and why. A person decides; published rules stay in force beside it, and staff can add anyone.

**It must not be used** for placement, discipline, truancy petitions, police, staff ratings, admission or any other
decision about a child, nor on students of another district or age without being measured there.

It sees attendance, behavior and coursework, and what others in the school do on average. It never sees race, gender,
language, income, disability, housing, address, age or name."""
LIMITS = """## What to mind

- The figures are of one held-back year of the same schools. Another year, and other schools, will differ.
- A label says what the records say: an unrecorded absence or incident does not exist for it, and students who were
  supported in time and did well count as not at risk, as they were.
- Accuracy for groups of students by who they are, probability intervals and stability are not measured here."""


def model_card(trained: Trained) -> str:
    """The card in Markdown."""
    parts = [
        f"# Model card: {trained.config.name}, {trained.model.version}",
        *([f"> **{DEMONSTRATION}.**"] if trained.model.about["made_up"] else []),
        USE,
        _label(trained),
        _data(trained),
        _accuracy(trained),
        *(section.markdown() for section in controls(trained)),
        _model(trained),
        _features(trained),
        LIMITS,
        _hashes(trained),
    ]
    return "\n\n".join(parts) + "\n"


def _label(trained: Trained) -> str:
    label = LABELS[trained.config.label]
    return (
        f"## What it learned\n\n**{label.title}** (`{label.name}`): {label.definition}\n\n"
        f"Horizon: {label.horizon}. Not judged: {label.censoring}."
    )


def _data(trained: Trained) -> str:
    rows = [
        [
            str(summary.as_of),
            f"{summary.students:,}",
            f"{summary.labeled:,}",
            f"{summary.positives:,}",
            f"{summary.positives / max(summary.labeled, 1):.3f}",
            described(summary),
        ]
        for summary in trained.matrices.summaries
    ]
    table = markdown_table(["as-of date", "students", "with a label", "positive", "share", "without a label"], rows)
    return f"## Data\n\nOne matrix an as-of date; each row is a student as the records knew them that day.\n\n{table}"


def _accuracy(trained: Trained) -> str:
    found = trained.validation
    test = _days([day for split in found.splits for day in split.test])
    train = _days([day for split in found.splits for day in split.train])
    return (
        "## How good it is\n\n"
        f"Measured on the matrices of {test} ({found.rows:,} rows, {found.positives / found.rows:.1%} positive), by "
        f"a model that learned from {train} alone. Recall at 5 %: the share of those whom the outcome met who stand "
        f"on the list of their school, with places for 5 % of its students. The registered model then learned from all "
        f"years. Intervals, groups and other splits: validation.md beside this card.\n\n"
        f"{markdown_table(COLUMNS, accuracy_rows(found.table))}"
    )


def _model(trained: Trained) -> str:
    lines = [f"- {name.replace('_', ' ')}: {value}" for name, value in trained.model.summary.items()]
    return "## What it is\n\nSmall trees and a logistic regression, blended and calibrated.\n\n" + "\n".join(lines)


def _features(trained: Trained) -> str:
    definitions = {feature.name: feature.definition for feature in FEATURES}
    shown = list(trained.validation.importance.items())[:FEATURES_SHOWN]
    rows = [[name, definitions[name], f"{weight:.3f}"] for name, weight in shown]
    table = markdown_table(["feature", "what it is", "weight"], rows)
    out = "; ".join(f"{left.name} ({left.why})" for left in trained.left_out) or "none"
    return (
        f"## What it looks at\n\n{len(trained.model.features)} features; those that move it most, by the mean absolute "
        f"contribution in log-odds on the held-back year:\n\n{table}\n\n"
        f"Left out: {out}."
    )


def _hashes(trained: Trained) -> str:
    about = trained.model.about
    named = [f"- {name}: `{about[name]}`" for name in ("data_sha256", "config_sha256", "features_sha256")]
    return "## By what it can be checked\n\n" + "\n".join([*named, f"- seed: {trained.config.seed}"])


def _days(dates: Sequence[date]) -> str:
    return f"{min(dates)} to {max(dates)}"
