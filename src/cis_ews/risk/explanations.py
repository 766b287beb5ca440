"""Reasons in plain words from a model's contributions: what raises concern, what is a strength, what is not known.

A reason is told only of a number that the student has, in words that are true of it by themselves, and never of what is
missing. Loops run over features and sentences, never over students.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, le

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import Direction
from cis_ews.errors import ModelError
from cis_ews.risk.exact_shap import exact_shap_values
from cis_ews.risk.feature_catalog import FEATURES, SAME_EARLY, Feature
from cis_ews.risk.feature_catalog.feature import DAYS_ENROLLED, Column, Comparison, Term, Told
from cis_ews.risk.features import evaluated, features_named
from cis_ews.risk.sentences import SAME_DAYS_UNTIL
from cis_ews.risk.templates import render, template_fields
from cis_ews.schema.scores import Reasons
from cis_ews.wording import counted

__all__ = ["exact_shap_values", "explain", "peer_values"]

NOTICEABLE = 0.02
"""Log-odds: what moves the odds by less than about two in a hundred is no reason."""
FEWEST_PEERS = 10
REASONS_SHOWN = 5
PLACE = ["school_id", "grade_level"]
NO_FEATURES = ("student_id", "base_value", "margin")
COLUMNS = {
    "student_id": pl.String,
    "rank": pl.Int16,
    "direction": pl.String,
    "domain": pl.String,
    "indicator": pl.String,
    "value": pl.Float64,
    "sentence": pl.String,
}
COMPARED: Mapping[str, Comparison] = {
    feature.name: feature.comparison for feature in FEATURES if feature.comparison is not None
}
_MEDIAN = "__median_"
_OWN = "__own_"
_VALUE = "__value_"

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Telling:
    """A sentence that a feature may lend to its topic, in one direction; `place` and `topic` are numbers of both."""

    feature: Feature
    place: int
    topic: int
    direction: Direction
    told: Told


@dataclass(frozen=True, slots=True)
class _Choice:
    """Reasons that are told, one entry each: whose (a row), in which place (0 first), and in which telling's words."""

    rows: Places
    ranks: Places
    tellings: Places


def peer_values(indicators: pl.DataFrame) -> pl.DataFrame:
    """What reasons compare with: one row a school and grade, sorted by both, of the students enrolled there.

    `school_id`, `grade_level`, `students`, and one column a compared feature: the median of what is compared, Float64,
    always a number that a student has, so that half have it or less and half have it or more. Null where it is known of
    fewer than 10 students. A median cannot be added up from parts of a school: give all of its students.
    """
    enrolled = indicators.lazy().filter(pl.col("is_enrolled"), pl.col("grade_level").is_not_null())
    values = enrolled.select(*PLACE, *(evaluated(each.value).alias(name) for name, each in COMPARED.items()))
    medians = [
        pl.when(pl.col(name).count() >= FEWEST_PEERS)
        .then(pl.col(name).quantile(0.5, interpolation="lower"))
        .alias(name)
        for name in COMPARED
    ]
    return values.group_by(PLACE).agg(pl.len().alias("students"), *medians).sort(PLACE).collect()


def explain(
    features: pl.DataFrame,
    contributions: pl.DataFrame,
    indicators: pl.DataFrame,
    *,
    peers: pl.DataFrame | None = None,
    limit: int = REASONS_SHOWN,
) -> dy.DataFrame[Reasons]:
    """Reasons of the students of `contributions`, at most `limit` in each direction, as `schema.scores.Reasons`.

    `contributions`: `student_id` and one column a feature of the catalog, in log-odds, above zero where it raises the
    risk (`base_value` and `margin` are not read). `features`, `indicators`: of these students, and of others too.
    `peers`: the `peer_values` of all students, where `indicators` holds a part of them.

    Contributions of one topic are summed, what is missing apart from what is known. A topic that raises the risk is
    told by its strongest feature with a number that is itself a concern, one that lowers it by a number that is itself
    a strength, beside half of the same grade at the school. Where what is missing raises the risk, the direction is
    `unknown`, and the sentence says what we do not know. Raises ModelError for columns that are no features, and for
    students without features or indicators.
    """
    named = features_named(name for name in contributions.columns if name not in NO_FEATURES)
    explained = sorted(named, key=FEATURES.index)
    ordered = contributions.sort("student_id")
    compared = peer_values(indicators) if peers is None else peers
    rows = _rows(ordered, features, indicators, explained=explained, peers=compared)
    early = rows.select(pl.col(DAYS_ENROLLED).fill_null(0) < SAME_DAYS_UNTIL).to_series()
    weights = ordered.select(feature.name for feature in explained)
    parts = [
        _reasons(explained, rows.filter(early), weights.filter(early), same=SAME_EARLY, limit=limit),
        _reasons(explained, rows.filter(~early), weights.filter(~early), same={}, limit=limit),
    ]
    return Reasons.cast(pl.concat(parts).sort("student_id", "direction", "rank"))


def _rows(
    ordered: pl.DataFrame,
    features: pl.DataFrame,
    indicators: pl.DataFrame,
    *,
    explained: Sequence[Feature],
    peers: pl.DataFrame,
) -> pl.DataFrame:
    """The students in order, with the numbers that sentences speak of, the features' values and those of the peers."""
    compared = [(feature.name, feature.comparison.value) for feature in explained if feature.comparison]
    spoken = [name for feature in explained for name in _speaks_of(feature)]
    read = [name for _, value in compared for name in value.reads]
    values = _of_students(ordered, features, [feature.name for feature in explained], table="features")
    medians = {name: _MEDIAN + name for name in COMPARED}
    return (
        _of_students(ordered, indicators, sorted({*PLACE, DAYS_ENROLLED, *spoken, *read}), table="indicators")
        .join(peers.select(*PLACE, *COMPARED).rename(medians), on=PLACE, how="left", maintain_order="left")
        .with_columns(*(evaluated(value).alias(_OWN + name) for name, value in compared))
        .hstack(values.drop("student_id").rename(lambda name: _VALUE + name))
    )


def _speaks_of(feature: Feature) -> Iterator[str]:
    """The columns whose numbers stand in a feature's sentences or beside them."""
    for told in (*feature.risk, *feature.strength):
        yield from (*template_fields(told.sentence), *_number(feature).reads)


def _of_students(ordered: pl.DataFrame, frame: pl.DataFrame, columns: Sequence[str], *, table: str) -> pl.DataFrame:
    """Columns of a frame for the students of `ordered`, in its order."""
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise ModelError(
            f"the {table} lack {counted(len(lacking), 'column')} that reasons speak of: {', '.join(lacking)}",
            hint="explain with the features and indicators from which the contributions were made",
        )
    absent = ordered.join(frame, on="student_id", how="anti").height
    if absent:
        raise ModelError(
            f"the {table} lack {counted(absent, 'student')} of those with contributions",
            hint="explain with the features and indicators from which the contributions were made",
        )
    students = ordered.select("student_id")
    return students.join(frame.select("student_id", *columns), on="student_id", how="left", maintain_order="left")


def _reasons(
    explained: Sequence[Feature], rows: pl.DataFrame, weights: pl.DataFrame, *, same: Mapping[str, str], limit: int
) -> pl.DataFrame:
    """Reasons of these students; `same` names topics that count as another."""
    toward = weights.fill_null(0).to_numpy()
    known = rows.select(pl.col(_VALUE + feature.name).is_not_null() for feature in explained).to_numpy()
    topics = [same.get(feature.topic, feature.topic) for feature in explained]
    unknown = [feature.unknown or "" for feature in explained]
    found = [
        _of_direction(Direction.RISK, explained, rows, weights=np.where(known, toward, 0), topics=topics, limit=limit),
        _of_direction(
            Direction.STRENGTH, explained, rows, weights=np.where(known, -toward, 0), topics=topics, limit=limit
        ),
        _of_direction(
            Direction.UNKNOWN, explained, rows, weights=np.where(known, 0, toward), topics=unknown, limit=limit
        ),
    ]
    return pl.concat(found)


def _of_direction(
    direction: Direction,
    explained: Sequence[Feature],
    rows: pl.DataFrame,
    *,
    weights: Numbers,
    topics: Sequence[str],
    limit: int,
) -> pl.DataFrame:
    """Ranked reasons of one direction; `weights` count toward it, one column a feature."""
    numbers = {topic: number for number, topic in enumerate(dict.fromkeys(topics))}
    of_features = [numbers[topic] for topic in topics]
    tellings = [
        _Telling(feature, place, of_features[place], direction, told)
        for place, feature in enumerate(explained)
        for told in _sentences(feature, direction)
    ]
    amounts = np.zeros((len(numbers), rows.height))
    for place, topic in enumerate(of_features):
        amounts[topic] += weights[:, place]
    choice = _strongest(amounts, _leading(tellings, rows, weights, shape=amounts.shape), limit=limit)
    return pl.concat([pl.DataFrame(schema=COLUMNS), *_told(tellings, rows, choice)])


def _sentences(feature: Feature, direction: Direction) -> tuple[Told, ...]:
    if direction == Direction.UNKNOWN:
        return () if feature.unknown is None else (Told(sentence=feature.unknown),)
    return feature.risk if direction == Direction.RISK else feature.strength


def _leading(tellings: Sequence[_Telling], rows: pl.DataFrame, weights: Numbers, *, shape: tuple[int, ...]) -> Places:
    """For each topic (row) and student (column) the telling of the feature that weighs most; -1 where none fits."""
    fits = rows.select(_fits(telling).fill_null(value=False).alias(str(at)) for at, telling in enumerate(tellings))
    best, leading = np.zeros(shape), np.full(shape, -1)
    for at, telling in enumerate(tellings):
        weight = weights[:, telling.place]
        # A later sentence of the same feature weighs the same and does not displace the first that fits.
        better = fits.get_column(str(at)).to_numpy() & (weight > best[telling.topic])
        best[telling.topic][better] = weight[better]
        leading[telling.topic][better] = at
    return leading


def _fits(telling: _Telling) -> pl.Expr:
    """Whether a sentence can be told: its numbers are known, and lie on its side of the reference and of the peers."""
    feature, told = telling.feature, telling.told
    value = pl.col(_VALUE + feature.name)
    if telling.direction == Direction.UNKNOWN:
        return value.is_null()
    spoken = {*template_fields(told.sentence), *_number(feature).reads}
    conditions = [pl.col(name).is_not_null() for name in sorted(spoken)]
    # The limits as Float32, like the features: 0.1 is then 0.1 on both sides.
    if told.at_least is not None:
        conditions += [value >= pl.lit(told.at_least, dtype=pl.Float32), *_beside_peers(feature, beyond=ge)]
    if told.at_most is not None:
        conditions += [value <= pl.lit(told.at_most, dtype=pl.Float32), *_beside_peers(feature, beyond=le)]
    return pl.all_horizontal(conditions)


def _beside_peers(feature: Feature, *, beyond: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> list[pl.Expr]:
    if feature.comparison is None:
        return []
    own, median = pl.col(_OWN + feature.name), pl.col(_MEDIAN + feature.name)
    return [beyond(own, median).fill_null(value=True)]


def _strongest(amounts: Numbers, leading: Places, *, limit: int) -> _Choice:
    """The topics that weigh most, at most `limit` a student; among equals the one that stands first in the catalog."""
    told = np.where((leading >= 0) & (amounts > NOTICEABLE), amounts, 0).T
    order = np.argsort(-told, axis=1, kind="stable")[:, :limit]
    rows, ranks = np.nonzero(np.take_along_axis(told, order, axis=1))
    return _Choice(rows, ranks, leading[order[rows, ranks], rows])


def _told(tellings: Sequence[_Telling], rows: pl.DataFrame, choice: _Choice) -> Iterator[pl.DataFrame]:
    by_telling = np.argsort(choice.tellings, kind="stable")
    starts = np.searchsorted(choice.tellings[by_telling], np.arange(len(tellings) + 1))
    for telling, start, end in zip(tellings, starts[:-1], starts[1:], strict=True):
        chosen = by_telling[start:end]
        if chosen.size:
            spoken = rows.select(_spoken_columns(telling))[choice.rows[chosen]]
            yield _in_words(spoken, telling, ranks=pl.Series(choice.ranks[chosen] + 1, dtype=pl.Int16))


def _spoken_columns(telling: _Telling) -> list[str]:
    feature = telling.feature
    beside = [_OWN + feature.name, _MEDIAN + feature.name, "grade_level"] if feature.comparison else []
    fields = template_fields(telling.told.sentence)
    return list(dict.fromkeys(["student_id", *_number(feature).reads, *fields, *beside]))


def _number(feature: Feature) -> Term:
    """The number beside a reason."""
    return feature.number or Column(feature.indicator)


def _in_words(spoken: pl.DataFrame, telling: _Telling, *, ranks: pl.Series) -> pl.DataFrame:
    feature, told = telling.feature, render(telling.told.sentence)
    is_known = telling.direction != Direction.UNKNOWN
    return spoken.select(
        "student_id",
        rank=ranks,
        direction=pl.lit(telling.direction.value),
        domain=pl.lit(feature.domain.value),
        indicator=pl.lit(feature.indicator),
        value=evaluated(_number(feature)) if is_known else pl.lit(None, dtype=pl.Float64),
        sentence=pl.concat_str([told, _tail(feature)]) if is_known and feature.comparison else told,
    )


def _tail(feature: Feature) -> pl.Expr:
    """What half of the peers have, where it is known and differs from what the student has; otherwise empty."""
    comparison = feature.comparison
    if comparison is None:
        return pl.lit("")
    own, median = pl.col(_OWN + feature.name), pl.col(_MEDIAN + feature.name)
    words = {
        text: pl.lit("; ") + render(text.replace("{median", "{" + _MEDIAN + feature.name))
        for text in (comparison.none, comparison.fewer, comparison.more)
    }
    return (
        pl.when((median < own) & (median == 0))
        .then(words[comparison.none])
        .when(median < own)
        .then(words[comparison.fewer])
        .when(median > own)
        .then(words[comparison.more])
        .otherwise(pl.lit(""))
    )
