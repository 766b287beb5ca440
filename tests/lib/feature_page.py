"""The page of features, rendered from the catalog: `python -m tests.lib.feature_page` writes docs/features.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cis_ews.enums import Domain
from cis_ews.risk.explanations import FEWEST_PEERS, NOTICEABLE
from cis_ews.risk.feature_catalog import FEATURES, Feature
from cis_ews.risk.feature_catalog.feature import Comparison, Told
from cis_ews.risk.sentences import SAME_DAYS_UNTIL

PAGE = Path(__file__).parents[2] / "docs" / "features.md"
TITLES = {
    Domain.ATTENDANCE: "Attendance",
    Domain.BEHAVIOR: "Behavior",
    Domain.COURSEWORK: "Coursework",
    Domain.CONTEXT: "Grade, time and school",
}
DIRECTIONS = {1: "more is more risk", -1: "more is less risk", None: ""}
INTRODUCTION = f"""# Features

Made from the catalog (`cis_ews.risk.feature_catalog`) by `python -m tests.lib.feature_page`; a test fails when the page
is stale. The matrix, the model's list of features and its hash, the directions that a model has to keep to, this page
and the reasons in words are made from the same list of {len(FEATURES)} features.

`build_features(indicators)` returns `student_id` and the features below, in this order, as 32-bit floats, one row a
student, sorted.

- **Made from the table of [indicators](indicators.md) and nothing else.** No name, birth date, address or demographic
  column can be reached from there; an import contract holds it. The school is no feature, nor is the district: what is
  said of a school is a rate over all others in it, known where there are ten of them or more.
- **Rates, where a count would grow with the year**: one model is used on every day of it. A window of so many days is
  known once it is full.
- **Missing stays missing**, and is never a reason against a student. The column "missing" says when a value is missing
  besides a domain that the extract does not cover, and the rule where there is one.
- **Direction**: where the field is sure, a model has to keep to it; where it is empty, a model learns it.

## Reasons in words

`explain(features, contributions, indicators)` sums a model's contributions (log-odds) by topic, what is missing apart.
A topic that moves the log-odds by more than {NOTICEABLE} is told in the words of its strongest feature that has
something to tell: a number on the concern's side of the reference for a risk, on the other side for a strength, and no
better (or worse) than half of the same grade at the school, where {FEWEST_PEERS} students or more can be compared with.
So the words are true by themselves. Where nothing fits, nothing is said. In the first {SAME_DAYS_UNTIL} days enrolled,
windows of the year are told as one topic. Where what is missing raises the risk, the direction is `unknown` and the
sentence says what we do not know. Grade, moves and school may raise or lower a risk and are never told as a reason: a
child is no reason for concern because of a school.

In the sentences below `{{indicator}}` stands for the student's number and `{{median}}` for what half of the grade have.
"""


def render_page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_tables(), *_words()]) + "\n"


def _tables() -> Iterator[str]:
    for domain, title in TITLES.items():
        yield f"## {title}\n"
        yield "| feature | unit | window | definition | missing | direction | topic |"
        yield "|---|---|---|---|---|---|---|"
        yield from (_row(feature) for feature in FEATURES if feature.domain == domain)
        yield ""


def _row(feature: Feature) -> str:
    direction = DIRECTIONS[feature.monotone]
    cells = (feature.unit, feature.window, feature.definition, feature.missing, direction, feature.topic)
    return f"| `{feature.name}` | {' | '.join(cells)} |"


def _words() -> Iterator[str]:
    yield "## Every sentence\n"
    yield "| feature | told as | where the feature is | sentence |"
    yield "|---|---|---|---|"
    for feature in FEATURES:
        yield from (_sentence(feature, told, kind="risk") for told in feature.risk)
        yield from (_sentence(feature, told, kind="strength") for told in feature.strength)
        if feature.unknown:
            yield f"| `{feature.name}` | unknown | missing | {feature.unknown} |"
        if feature.comparison:
            yield _comparison(feature.name, feature.comparison)


def _sentence(feature: Feature, told: Told, *, kind: str) -> str:
    limits = [f"at least {told.at_least:g}"] if told.at_least is not None else []
    limits += [f"at most {told.at_most:g}"] if told.at_most is not None else []
    return f"| `{feature.name}` | {kind} | {' and '.join(limits)} | {_escaped(told.sentence)} |"


def _comparison(name: str, comparison: Comparison) -> str:
    words = (comparison.none, comparison.fewer, comparison.more)
    return f"| `{name}` | beside it | none, fewer or more | {_escaped('; '.join(words))} |"


def _escaped(words: str) -> str:
    return words.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
