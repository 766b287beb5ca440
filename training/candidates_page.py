"""The candidates as a section of the page and of the card."""

from __future__ import annotations

from cis_ews.wording import counted
from training.candidates import Choice, Tried
from training.section import Section

COLUMNS = ("candidate, simplest first", "log loss", "behind best", "std. error", "AUROC", "")
NONE = "-"


def candidates_section(found: Choice) -> Section:
    """Every candidate, which one is fitted, and why."""
    seconds = ", ".join(f"{name} {spent:.0f}" for name, spent in found.seconds.items())
    return Section(
        title=f"The kind of model: {found.winner}",
        columns=COLUMNS if found.tried else (),
        rows=[_row(one, found) for one in found.tried],
        notes=[
            found.how,
            *([_rule(found)] if found.tried else []),
            *_recipe(found),
            *(f"{one.name}: not tried, {one.why}" for one in found.not_tried),
        ],
        brief_notes=[f"seconds on this machine: {seconds}"] * bool(seconds),
    )


def _row(one: Tried, found: Choice) -> list[str]:
    error = NONE if one.standard_error is None else f"{one.standard_error:.4f}"
    mark = "taken" if one.name == found.winner else ""
    return [one.name, f"{one.log_loss:.4f}", f"{one.behind:.4f}", error, f"{one.auroc:.3f}", mark]


def _rule(found: Choice) -> str:
    clusters = counted(found.clusters, found.clustered_by)
    return (
        f"taken is the simplest whose log loss is within one standard error of the best, by {clusters}; each learned "
        f"from at most {found.learned_rows:,} rows and was measured on {found.rows:,}"
    )


def _recipe(found: Choice) -> list[str]:
    said = [f"{name} {value}" for name, value in found.recipe.to_plain().items()]
    return [f"its recipe, where it is not the default: {', '.join(said)}"] * bool(said)
