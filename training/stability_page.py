"""Whether explanations hold, in sentences for the page and the card."""

from __future__ import annotations

from cis_ews.wording import counted
from training.stability import ADDITIVE, ANEW_ROWS, LEAST_OVERLAP, Stability


def title(found: Stability) -> str:
    """The sentence above: what does not hold, if anything."""
    overlap, of_students = found.top3_overlap_across_seeds, found.top3_overlap_across_students
    broken = [
        *["contributions DO NOT ADD UP"] * (not found.additive),
        *["a night without new records CHANGES them"] * (not found.identical_when_unchanged),
        *["chance decides MORE THAN A FIFTH of what is told first"] * (overlap is None or overlap < LEAST_OVERLAP),
        *["other students would teach MORE THAN A FIFTH of it otherwise"]
        * (of_students is not None and of_students < LEAST_OVERLAP),
    ]
    return f"Explanations: {'; '.join(broken) or 'they hold'}"


def notes(found: Stability) -> list[str]:
    """Every measure, in words."""
    return [
        *_retrained(found.measured),
        _additive(found),
        *_nights(found),
        _interventional(found.measured),
        _deletion(found.measured),
    ]


def _retrained(measured: dict[str, float]) -> list[str]:
    seed = (
        "trained anew: rounds, blend and calibration chosen by other folds"
        if measured.get("seed.anew")
        else f"trees alone, other rows and features for each: trained anew up to {ANEW_ROWS:,} rows"
    )
    said = {
        "seed": f"another seed ({seed})",
        "students": "other students (drawn again with replacement)",
    }
    return [
        f"{words} keep{'s' * (what == 'seed')} {measured[f'{what}.top3_overlap']:.0%} of the three topics that move a "
        f"student's risk most; contributions of a topic change by {measured[f'{what}.mean_change']:.3f} log-odds on "
        f"average ({counted(int(measured['students']), 'held-out student')})"
        for what, words in said.items()
        if f"{what}.top3_overlap" in measured
    ]


def _additive(found: Stability) -> str:
    gap, does = found.measured["additive.largest_gap"], "add" if found.additive else "DO NOT add"
    return f"contributions {does} up to the margin: the largest gap is {gap:.0e} ({ADDITIVE:.0e} is allowed)"


def _nights(found: Stability) -> list[str]:
    same = "the same, bit for bit" if found.identical_when_unchanged else "SOMETHING ELSE"
    measured = found.measured
    unchanged = f"a night after a day without school or new records tells {same}"
    if "absence.students" not in measured:
        return [unchanged, "nobody could be given an absence: the schools had not reported that day"]
    return [
        unchanged,
        f"one absence more of each of {counted(int(measured['absence.students']), 'student')} moved "
        f"{counted(int(measured['absence.features_beyond']), 'feature')} that {_do(measured)} not speak of attendance; "
        f"{measured['absence.related_share']:.0%} of what moved in contributions does, any other moved by "
        f"{measured['absence.others_most']:.3f} log-odds at most; {measured['absence.same_other_reasons']:.0%} of the "
        "reasons of behavior and coursework stayed word for word",
    ]


def _do(measured: dict[str, float]) -> str:
    return "does" if measured["absence.features_beyond"] == 1 else "do"


def _interventional(measured: dict[str, float]) -> str:
    middle, low = (measured[f"interventional.rank_correlation{end}"] for end in ("", "_low"))
    return (
        f"interventional SHAP values rank features alike: correlation {middle:.2f} (below {low:.2f} for one student in "
        f"twenty), {measured['interventional.top3_overlap']:.0%} of the three topics the same"
    )


def _deletion(measured: dict[str, float]) -> str:
    named, by_lot, more = (measured[f"deletion.{name}"] for name in ("named", "by_lot", "more"))
    bounds = (
        f" [{measured['deletion.more_low']:.3f}, {measured['deletion.more_high']:.3f}]"
        if "deletion.more_low" in measured
        else ""
    )
    return (
        f"of {counted(int(measured['deletion.students']), 'student')} with the highest risk, it falls by {named:.3f} "
        "where the features of the three topics that raise it most are set to the school's median, by "
        f"{by_lot:.3f} for as many others drawn by lot: {more:.3f}{bounds} more"
    )
