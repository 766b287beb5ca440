"""What a validation found, once: as sections that a terminal prints and a Markdown file keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import cast

from cis_ews.evaluation.abstention import told_steps
from cis_ews.evaluation.bootstrap import FEW, LEVEL, Estimate
from cis_ews.evaluation.comparison import AT, MEASURES, AtSameRate, Compared
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.risk.labels import LABELS
from cis_ews.wording import counted
from training.candidates_page import candidates_section
from training.config import ValidationConfig
from training.contrasts_page import contrasts_section, every_contrast
from training.experiment import Trained
from training.fairness_page import fairness_sections
from training.gates_page import gates_section
from training.leakage import Leak, LeakageReport
from training.null_control import NullControl
from training.section import Section, short, three_decimals, two_decimals
from training.stability import Stability
from training.stability_page import notes, title
from training.validation import GAINS, LAST_YEAR, MODEL, Group, Validation, behind

TITLES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "brier": "Brier",
    "recall_at_5": "recall at 5 %",
    "recall_at_10": "10 %",
    "recall_at_20": "20 %",
    "precision_at_5": "precision at 5 %",
    "precision_at_10": "10 %",
    "precision_at_20": "20 %",
    "recall_of_all_at_10": "one list, 10 %",
}
COLUMNS = ("", *(TITLES[name] for name in MEASURES[:6]))
SHORT = {
    "the model": "model",
    "logistic regression": "regr.",
    "LightGBM defaults": "LGBM",
    "published rules": "rules",
    "last year's value": "last year",
    "September rule": "Sept.",
    "school mean only": "school",
}
RULES_SHOWN = 6
NONE = "-"


def accuracy_rows(table: Mapping[str, Compared]) -> list[list[str]]:
    """One row of figures for each that was measured."""
    return [[who, *(_figure(name, found.values[name]) for name in MEASURES[:6])] for who, found in table.items()]


def sections(trained: Trained) -> list[Section]:
    """The whole page, most needed first."""
    validation = trained.validation
    return [
        _table(trained),
        _gains(validation),
        _plain(trained),
        *(_of_groups(validation, by) for by in ("as-of date", "grades", "school")),
        _rules(validation),
        *fairness_sections(trained.fairness),
        contrasts_section(trained),
        *controls(trained),
        gates_section(trained.gates),
    ]


def controls(trained: Trained) -> list[Section]:
    """How the kind of model was chosen, whether explanations hold, what shuffled labels gain, and what was looked for
    that knows the outcome."""
    return [
        candidates_section(trained.choice),
        _explanations(trained.stability),
        _null(trained.null),
        _leaks(trained.leakage),
    ]


def validation_page(trained: Trained) -> str:
    """The page in Markdown, with every row and every measure."""
    whole = [*_everything(trained.validation), *every_contrast(trained.contrasts)]
    parts = [f"# Validation: {trained.config.name}, {trained.model.version}"]
    return "\n\n".join([*parts, *(section.markdown() for section in [*sections(trained), *whole])]) + "\n"


def found(trained: Trained) -> dict[str, object]:
    """What the page tells, as plain values."""
    return {
        "validation": {
            **asdict(trained.validation),
            "groups": [_told_group(one) for one in trained.validation.groups],
            "by_days": [asdict(one) for one in told_steps(trained.validation.by_days)],
        },
        "candidates": trained.choice.to_dict(),
        "contrasts": [asdict(one) for one in trained.contrasts],
        "not_measured": {one.name: one.why for one in trained.not_measured},
        "fairness": trained.fairness.to_dict(),
        "stability": asdict(trained.stability),
        "null_control": asdict(trained.null),
        "leakage": asdict(trained.leakage),
        "contributions": [asdict(one) for one in trained.spreads],
        "gates": {gate.name: {"state": gate.state.value, **asdict(gate)} for gate in trained.gates.gates},
    }


def _told_group(group: Group) -> dict[str, object]:
    """A group as plain values, rounded so that a small one is not what is left of the others; its name alone, where it
    has too few students to be told."""
    if not group.found:
        return {"by": group.by, "name": group.name, "found": {}}
    found = {who: _rounded_values(asdict(one)) for who, one in group.found.items()}
    share = round(group.positives / group.rows, 2)
    return {"by": group.by, "name": group.name, "rows": group.rows, "share": share, "found": found}


def _rounded_values(told: object) -> object:
    if isinstance(told, dict):
        return {name: _rounded_values(each) for name, each in cast("dict[str, object]", told).items()}
    return round(told, 2) if isinstance(told, float) else told


def _figure(name: str, found: Estimate) -> str:
    return f"{found.value:.3f}" if name in MEASURES[:3] else f"{found.value:.2f}"


def _table(trained: Trained) -> Section:
    validation = trained.validation
    tested = [day for split in validation.splits for day in split.test]
    return Section(
        title=f"{trained.config.label}, measured on {min(tested)} to {max(tested)} ({validation.rows:,} rows, "
        f"{validation.positives / validation.rows:.0%} positive)",
        columns=COLUMNS,
        rows=accuracy_rows(validation.table),
        notes=[
            "recall at 10 %: the share of those whom the outcome met who stand on the list of their school, with "
            "places for 10 % of its students, on the as-of date; ties as drawn by lot",
            _how(trained.config.validation),
            *[f"{LAST_YEAR}: nothing of last year tells {trained.config.label}"] * (LAST_YEAR not in validation.table),
        ],
    )


def _how(config: ValidationConfig) -> str:
    other = f"other splits by at most {config.contrast_rows:,} rows" if config.contrast_rows else "no other splits"
    return f"validated on {', '.join(config.as_of)}, by {config.draws} draws of schools; {other}"


def _gains(validation: Validation) -> Section:
    rows = [[MODEL, *(three_decimals(validation.table[MODEL].values[name]) for name in GAINS)]]
    rows += [
        [f"on {SHORT[who]}", *(three_decimals(found.gains[name], sign=True) for name in GAINS)]
        for who, found in validation.table.items()
        if who != MODEL
    ]
    drawn = [
        f"{LEVEL:.0%} intervals: {counted(validation.schools, 'school')} drawn again, the same for all in the table"
    ]
    few = [f"fewer than {FEW} schools: intervals are wide, by Student's t"] * (1 < validation.schools < FEW)
    alone = ["one school alone: no interval can be told"] * (validation.schools == 1)
    return Section(
        title="What the model reached, and what it gained on each",
        columns=("", "AUROC", "average precision", "recall at 10 %"),
        rows=rows,
        notes=[*drawn, *few, *alone, *why_behind(validation), *_legend(validation)],
    )


def why_behind(validation: Validation) -> list[str]:
    """Where another is ahead beyond chance, and whether it is for the directions that the model holds."""
    return [_why_behind(who, found, validation) for who, found in validation.table.items() if behind(found)]


def _why_behind(who: str, found: Compared, validation: Validation) -> str:
    measures = behind(found)
    said = f"behind {SHORT[who]} beyond chance in {', '.join(_in_words(name) for name in measures)}"
    if who not in validation.undirected:
        return said
    free = validation.undirected[who]
    figures = ", ".join(f"{_in_words(name)} {three_decimals(free.gains[name], sign=True)}" for name in measures)
    held = "directions are held, so that reasons make sense (more absence never lowers a risk)"
    left = [name for name in measures if name in behind(free)]
    return f"{said}: {held}; without them {figures}{', so that they are not all of it' if left else ''}"


def _in_words(measure: str) -> str:
    return {"auroc": "AUROC", "recall_at_10": "recall at 10 %"}.get(measure, measure.replace("_", " "))


def _legend(validation: Validation) -> list[str]:
    return ["; ".join(f"{SHORT[who]}: {who}" for who in validation.table if who != MODEL)]


def _plain(trained: Trained) -> Section:
    validation, title = trained.validation, LABELS[trained.config.label].title.lower()
    found = validation.calibration
    slope = NONE if found.slope is None else two_decimals(found.slope, found.slope_drawn)
    shift = two_decimals(found.intercept, found.intercept_drawn, sign="+")
    best = max(validation.curve, key=lambda each: each.risk - max(each.everybody, 0.0))
    return Section(
        title="In plain words",
        columns=("flagged from a risk of", "net benefit", "of flagging all"),
        rows=[[f"{one.threshold:.0%}", f"{one.risk:.3f}", f"{one.everybody:.3f}"] for one in validation.curve],
        brief=(),
        notes=[
            *(
                f"Of the students in Tier {one.tier}, {one.of_ten} of 10 were {title} ({one.share:.0%} of "
                f"{one.rows:,}, each counted once a night; lists cut at capacity)"
                for one in validation.tiers
            ),
            f"Calibration: slope {slope} (1 is right), intercept {shift} (0 is right); risk and outcome are "
            f"{found.error:.3f} apart on average",
            f"Flagging from a risk of {best.threshold:.0%} is worth {best.risk:.3f} true flags a student, less false "
            f"ones at their weight; flagging all {best.everybody:.3f}, flagging nobody 0",
        ],
    )


def _of_groups(validation: Validation, by: str) -> Section:
    groups = [group for group in validation.groups if group.by == by]
    rows = [_group_row(group, validation.table) for group in groups]
    told = sorted((group for group in groups if group.found), key=lambda group: group.found[MODEL].recall["10"])
    middle = [told[place] for place in sorted({0, len(told) // 2, len(told) - 1})] if told else []
    hidden = sum(not group.found for group in groups)
    of_few = f"{counted(hidden, 'group')} in which the outcome met, or spared, fewer than {FEWEST} students not told"
    notes = [of_few] * bool(hidden)
    is_long = by == "school" and len(groups) > len(middle)
    return Section(
        title=f"Recall at 10 % of each school's list, by {by}",
        columns=(by, "rows", "share", *(SHORT[who] for who in validation.table)),
        rows=rows,
        brief=[_group_row(group, validation.table) for group in middle] if is_long else None,
        brief_notes=[
            "those where the model finds the smallest, a middling and the largest share; all are in validation.md"
        ]
        * is_long,
        notes=notes,
    )


def _group_row(group: Group, table: Mapping[str, Compared]) -> list[str]:
    figures = [f"{group.found[who].recall['10']:.2f}" if who in group.found else NONE for who in table]
    share = f"{group.positives / group.rows:.0%}" if group.found else NONE
    return [group.name, f"{group.rows:,}" if group.found else NONE, share, *figures]


def _rules(validation: Validation) -> Section:
    in_order = sorted(validation.rules.items(), key=lambda pair: -pair[1].recall)
    rows, few = [_rule_row(name, found) for name, found in in_order], validation.rules_of_few
    return Section(
        title="Each published rule, and the model with as many flags on the same nights",
        columns=("rule", "flags", "prec.", "recall", "model", "gain in recall"),
        rows=rows,
        brief=rows[:RULES_SHOWN],
        notes=[
            f"{counted(few, 'rule')} that {'holds' if few == 1 else 'hold'} for fewer than {FEWEST} students not told"
        ]
        * bool(few),
        brief_notes=[
            f"the {min(RULES_SHOWN, len(rows))} with the highest recall of {counted(len(rows), 'rule')} that hold"
        ],
    )


def _rule_row(name: str, found: AtSameRate) -> list[str]:
    figures = [f"{found.flagged:.1%}", f"{found.precision:.2f}", f"{found.recall:.2f}", f"{found.model_recall:.2f}"]
    return [name, *figures, three_decimals(found.gain, sign=True)]


def _explanations(found: Stability) -> Section:
    return Section(title=title(found), notes=notes(found))


def _null(found: NullControl) -> Section:
    verdict = "the gain is real" if found.is_real else "NO EVIDENCE that students are told apart at all"
    return Section(
        title=f"Null control: {verdict} (p = {found.p_value:.3f})",
        notes=[
            f"a cheap model gains {short(found.gain, sign=True)} AUROC over the school's rate; on labels shuffled "
            f"within schools {counted(found.shuffles, 'time')} it gains {short(found.shuffled_mean, sign=True)} on "
            f"average, from {short(found.shuffled_low, sign=True)} to {short(found.shuffled_high, sign=True)} in 95 "
            f"of 100 ({found.rows:,} rows, one a student and year)"
        ],
    )


def _leaks(found: LeakageReport) -> Section:
    kinds = ", ".join(leak.value for leak in Leak)
    again = ", ".join(map(str, found.dates))
    return Section(
        title="Leakage: none found" if not found.trusted else "Leakage: found, and trusted by the configuration",
        notes=[
            f"{counted(found.features, 'feature')} on {counted(found.rows, 'row')}, before every fit: {kinds}",
            f"every feature of {again} is the same where the records of later days are cut away",
            *found.trusted,
        ],
    )


def _everything(validation: Validation) -> list[Section]:
    """Every measure with its interval, the gains on each other one, and the calibration by tenths: for the file."""
    figures = [
        [who, *(three_decimals(found.values[name]) for name in MEASURES)] for who, found in validation.table.items()
    ]
    gains = [
        [who, *(three_decimals(found.gains[name], sign=True) for name in MEASURES)]
        for who, found in validation.table.items()
        if found.gains
    ]
    bins = [[f"{one.rows:,}", f"{one.risk:.3f}", f"{one.happened:.3f}"] for one in validation.calibration.bins]
    names = ("", *(name.replace("_", " ") for name in MEASURES))
    return [
        Section(title="Every measure", columns=names, rows=figures),
        Section(title="What the model gained on each, in every measure", columns=names, rows=gains),
        _lists_by_group(validation),
        _gains_by_group(validation),
        Section(title="Risk and outcome, by tenths of the rows", columns=("rows", "risk", "happened"), rows=bins),
    ]


def _lists_by_group(validation: Validation) -> Section:
    rows = [
        [
            group.by,
            group.name,
            who,
            *(_of_list(values[share]) for values in (one.recall, one.precision) for share in values),
        ]
        for group in validation.groups
        for who, one in group.found.items()
    ]
    shares = [f"{what} at {share} %" for what in ("recall", "precision") for share in AT.values()]
    return Section(title="On the lists, by group", columns=("by", "group", "who", *shares), rows=rows)


def _gains_by_group(validation: Validation) -> Section:
    others = [who for who in validation.table if who != MODEL]
    rows = [
        [group.by, group.name, *(_gain(group.found[who].gain) for who in others)]
        for group in validation.groups
        if group.found
    ]
    return Section(
        title="What the model gained in recall at 10 %, by group",
        columns=("by", "group", *(f"on {who}" for who in others)),
        rows=rows,
        notes=[
            "of a group, gains are told of recall at 10 % alone; recall and precision at 5, 10 and 20 % stand above",
            f"{LEVEL:.0%} intervals: schools drawn again; of a school, its students, on the lists as they are",
        ],
    )


def _of_list(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _gain(found: Estimate | None) -> str:
    return NONE if found is None else three_decimals(found, sign=True)
