"""The model card: what the model is for, what it learned from, how good it is, and what it must not be used for.

Made from the training, and not typed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import cast

from cis_ews.evaluation.abstention import NOBODY, told_steps
from cis_ews.evaluation.bootstrap import FEW
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.risk.calibration import IDENTITY
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.labels import LABELS
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_recipe import Kind
from cis_ews.risk.night_model import FEWEST_DAYS
from cis_ews.risk.supported import Supported
from cis_ews.wording import DEMONSTRATION, counted
from training.card_data import COLUMNS as DATA_COLUMNS
from training.card_data import data_rows
from training.experiment import Trained
from training.figures import Figure, calibration_figure, capacity_figure, spread_figure, subgroup_figure
from training.gates import Gate
from training.gates_page import gates_section
from training.page import COLUMNS, accuracy_rows, controls, sections
from training.section import markdown_table
from training.validation import Validation

FEATURES_SHOWN = 15
CARD_TEXT, CARD_PAGE = "model_card.md", "model_card.html"
OVERRIDES = "<!-- overrides -->"
"""Where the card tells of those who promoted the version in spite of its gates."""
_MARKUP = re.compile(r"[\\`*_\[\]#|]")
USE = """## What it is for

It helps a site coordinator of Communities In Schools to see, among hundreds of students, who may need a conversation
about support, and why. A person decides; published rules stay in force beside it, and staff can add anyone.

**It must not be used** for placement, discipline, truancy petitions, police, staff ratings, admission or any other
decision about a child, nor on students of another district or age without being measured there.

It sees attendance, behavior and coursework, and what others in the school do on average. It never sees race, gender,
language, income, disability, housing, address, age or name."""
_LEFT_OUT = (
    "Students who had targeted or intensive support between the as-of date and the end of the horizon are neither "
    "learned from nor measured on, whatever came of them; support that began on the day of the outcome or later (a "
    "suspension, a failed course, dropping out) leaves nobody out"
)
_WITHOUT = "The risk is that without further support."
LEARNED_OF_SUPPORTED = {
    Supported.AS_RECORDED: "**Students who were supported after the as-of date count as their records say**: one who "
    "was flagged, supported and did well teaches the model that the flag was wrong.",
    Supported.CENSOR: f"{_LEFT_OUT}. {_WITHOUT}",
    Supported.WEIGHT: f"{_LEFT_OUT}; those with such records who had none count for them in learning, by the inverse "
    f"of their chance to have none. {_WITHOUT}",
}
LIMITS = """- A label says what the records say: an unrecorded absence or incident does not exist for it, and a support
  that nobody wrote down was not given.
- A reason says what the model looked at, and not what causes the outcome."""


def model_card(trained: Trained) -> str:
    """The card in Markdown; its plots are in the HTML one."""
    shown = f"Plots: {CARD_PAGE} beside this file."
    return "\n\n".join(part for part in (_text(part) for part in card_parts(trained)) if part) + f"\n\n{shown}\n"


def _text(part: str | Figure) -> str:
    return part if isinstance(part, str) else ""


def card_parts(trained: Trained) -> list[str | Figure]:
    """The card in order: Markdown, and plots."""
    _, *page, _ = sections(trained)  # the table and the gates stand elsewhere
    after = len(page) - len(controls(trained)) - 1
    measured, others = page[:after], page[after:]
    parts: list[str | Figure | None] = [
        f"# Model card: {trained.config.name}, {trained.model.version}",
        *([f"> **{DEMONSTRATION}.**"] if trained.model.about["made_up"] else []),
        OVERRIDES,
        USE,
        gates_section(trained.gates).markdown(),
        _label(trained),
        _data(trained),
        _accuracy(trained),
        capacity_figure(trained),
        calibration_figure(trained),
        *(section.markdown() for section in measured),
        subgroup_figure(trained),
        *(section.markdown() for section in others),
        _days_enrolled(trained),
        _model(trained),
        _features(trained),
        spread_figure(trained.spreads),
        limits(trained.validation),
        _hashes(trained),
    ]
    return [part for part in parts if part is not None]


def _label(trained: Trained) -> str:
    label = LABELS[trained.config.label]
    return (
        f"## What it learned\n\n**{label.title}** (`{label.name}`): {label.definition}\n\n"
        f"Horizon: {label.horizon}. Not judged: {label.censoring.rstrip('.')}.\n\n"
        f"{LEARNED_OF_SUPPORTED[trained.config.supported]}"
    )


def _data(trained: Trained) -> str:
    table = markdown_table(DATA_COLUMNS, data_rows(trained.matrices.summaries))
    return (
        "## Data\n\nOne matrix an as-of date; each row is a student as the records knew them that day. Reasons that "
        f"left out fewer than {FEWEST} students are told together with others.\n\n{table}"
    )


def _accuracy(trained: Trained) -> str:
    found = trained.validation
    test = _days([day for split in found.splits for day in split.test])
    train = _days([day for split in found.splits for day in split.train])
    return (
        "## How good it is\n\n"
        f"Measured on the matrices of {test} ({found.rows:,} rows, {found.positives / found.rows:.1%} positive), by "
        f"a model that learned from {train} alone. Recall at 5 %: the share of those whom the outcome met who stand "
        f"on the list of their school, with places for 5 % of its students. The registered model then learned from all "
        f"years. Every measure with its interval: validation.md beside this card.\n\n"
        f"{markdown_table(COLUMNS, accuracy_rows(found.table))}"
    )


def _days_enrolled(trained: Trained) -> str:
    days, told = trained.model.about[FEWEST_DAYS], told_steps(trained.validation.by_days)
    said = (
        "It was not measured: too few students; the tier policy's minimum of days counts alone."
        if days is None
        else "Of no group did the risk err less than one number for all of it, beyond chance: the model is asked about "
        "nobody, and everybody is left to the rules."
        if days == NOBODY
        else f"From {days} days on the risk errs less than one number for everybody with as many days, beyond chance "
        "(95 %). Whoever has fewer days, or fewer than the tier policy's minimum, is left to the rules."
    )
    rows = [
        [
            f"{step.days} or more" if step.until is None else f"{step.days} to {step.until - 1}",
            f"{step.rows:,}",
            "too few" if step.gain is None else f"{step.gain:+.4f}",
            "too few" if step.gain_low is None else f"{step.gain_low:+.4f}",
            f"{step.coverage:.1%}",
            f"{step.brier:.4f}",
        ]
        for step in told
    ]
    few = f"\n\nOf those with fewer than {told[0].days} days too few are known to measure." if told[0].days else ""
    columns = ["days enrolled", "rows", "Brier gained", "at least", "with as many or more", "their Brier"]
    return f"## Of whom it is asked\n\n{said}\n\n{markdown_table(columns, rows)}{few}"


def _model(trained: Trained) -> str:
    lines = [f"- {name.replace('_', ' ')}: {_plain_value(value)}" for name, value in trained.model.summary.items()]
    asked = [f"- recipe, {name.replace('_', ' ')}: {value}" for name, value in trained.model.recipe.to_plain().items()]
    return f"## What it is\n\n{what_it_is(trained.model)}\n\n" + "\n".join([*asked, *lines])


def what_it_is(model: RiskModel) -> str:
    """Which parts the model has, and whether its risks were bent to what happened: of what was fitted, and not of what
    was asked for."""
    parts = model.parts
    if parts.trees and parts.linear:
        what = f"Small trees and a logistic regression, blended: the trees have {parts.trees_share:.0%} of the margin."
    else:
        what = "Small trees." if parts.trees else "A logistic regression."
        if model.recipe.kind == Kind.BLEND:
            what += " Blended with the other kind it was no better on held-out folds."
    if parts.calibrator.kind == IDENTITY.kind:
        return f"{what} Its risks are told as they come: no calibration was better on held-out folds."
    return f"{what} Its risks are calibrated on held-out folds ({parts.calibrator.kind})."


def _plain_value(value: object) -> str:
    if isinstance(value, Mapping):
        found = cast("Mapping[str, object]", value)
        return ", ".join(f"{name.replace('_', ' ')} {_plain_value(each)}" for name, each in found.items())
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


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


def limits(found: Validation) -> str:
    """What to mind of the figures, by what was measured."""
    years = sorted({split.school_year for split in found.splits})
    held_back = "one held-back year" if len(years) == 1 else f"{len(years)} held-back years"
    named = ", ".join(f"{year - 1}-{year % 100:02}" for year in years)
    few = ". So few schools leave wide intervals" if 1 < found.schools < FEW else ""
    return (
        f"## What to mind\n\n- The figures are of {held_back} ({named}), {counted(found.schools, 'school')} and "
        f"{counted(found.students, 'student')}{few}. Another year, and other schools, will differ.\n{LIMITS}"
    )


def _hashes(trained: Trained) -> str:
    about = trained.model.about
    named = [f"- {name}: `{about[name]}`" for name in ("data_sha256", "config_sha256", "features_sha256")]
    return "## By what it can be checked\n\n" + "\n".join([*named, f"- seed: {trained.config.seed}"])


def _days(dates: Sequence[date]) -> str:
    return f"{min(dates)} to {max(dates)}"


def with_override(text: str, *, at: datetime, reason: str, refused: Sequence[Gate]) -> str:
    """The card, Markdown or HTML, with what was decided in spite of its gates, the newest first; whatever the reason
    says is text, and no markup."""
    title, gates = f"Used in spite of its gates, {at:%Y-%m-%d %H:%M} UTC", [gate.refusal() for gate in refused]
    if text.startswith("<!"):
        rows = "".join(f"<li>{html.escape(gate)}</li>" for gate in gates)
        told = f"<section class=override><h2>{title}</h2><p>Reason: {html.escape(reason)}</p><ul>{rows}</ul></section>"
    else:
        told = "\n".join([f"## {title}", "", f"Reason: {_plain(reason)}", "", *(f"- {_plain(gate)}" for gate in gates)])
    before, mark, after = text.partition(OVERRIDES)
    return f"{before}{mark}\n\n{told}{after}" if mark else text


def _plain(text: str) -> str:
    """Without what Markdown or HTML would read as markup."""
    return html.escape(_MARKUP.sub(r"\\\g<0>", text), quote=False)
