"""What can be told of a student: each sentence of the catalog, when it fits, and in which words.

One table for everything that is done with a sentence. The columns of a frame of `rows` are indicators by their names,
and for each feature its value, what its comparison compares, and the median of that among the student's peers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import ge, le

import polars as pl

from cis_ews.enums import Direction
from cis_ews.risk.feature_catalog import Feature
from cis_ews.risk.feature_catalog.feature import Column, Term, Told
from cis_ews.risk.features import evaluated
from cis_ews.risk.templates import render, template_fields

DIRECTIONS = tuple(Direction)
MEDIAN = "__median_"
OWN = "__own_"
VALUE = "__value_"


@dataclass(frozen=True, slots=True)
class Telling:
    """A sentence that a feature may lend to its topic, in one direction; `place` is that of the feature."""

    feature: Feature
    place: int
    direction: Direction
    told: Told

    @property
    def number(self) -> Term:
        """The number beside the sentence."""
        return self.feature.number or Column(self.feature.indicator)

    @property
    def speaks_of(self) -> tuple[str, ...]:
        """The indicators whose numbers stand in the sentence or beside it."""
        return (*template_fields(self.told.sentence), *self.number.reads)

    @property
    def reads(self) -> list[str]:
        """The columns that the words are made of."""
        name = self.feature.name
        beside = [OWN + name, MEDIAN + name, "grade_level"] if self.feature.comparison else []
        return list(dict.fromkeys([*self.speaks_of, *beside]))


def tellings_of(explained: Sequence[Feature]) -> list[Telling]:
    """Every telling of these features, by direction; those of one feature in the order in which they are tried."""
    return [
        Telling(feature, place, direction, told)
        for direction in DIRECTIONS
        for place, feature in enumerate(explained)
        for told in _sentences(feature, direction)
    ]


def _sentences(feature: Feature, direction: Direction) -> tuple[Told, ...]:
    if direction == Direction.UNKNOWN:
        return () if feature.unknown is None else (Told(sentence=feature.unknown),)
    return feature.risk if direction == Direction.RISK else feature.strength


@cache
def fits(telling: Telling) -> pl.Expr:
    """Whether a sentence can be told: the numbers are known, and lie on its side of the reference and of the peers."""
    feature, told = telling.feature, telling.told
    value = pl.col(VALUE + feature.name)
    if telling.direction == Direction.UNKNOWN:
        return value.is_null()
    conditions = [value.is_not_null(), *(pl.col(name).is_not_null() for name in sorted(set(telling.speaks_of)))]
    # The limits as Float32, like the features: 0.1 is then 0.1 on both sides.
    if told.at_least is not None:
        conditions += [value >= pl.lit(told.at_least, dtype=pl.Float32), *_beside_peers(feature, beyond=ge)]
    if told.at_most is not None:
        conditions += [value <= pl.lit(told.at_most, dtype=pl.Float32), *_beside_peers(feature, beyond=le)]
    return pl.all_horizontal(conditions).fill_null(value=False)


def _beside_peers(feature: Feature, *, beyond: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Iterator[pl.Expr]:
    if feature.comparison is not None:
        own, median = pl.col(OWN + feature.name), pl.col(MEDIAN + feature.name)
        yield beyond(own, median).fill_null(value=True)


@cache
def in_words(telling: Telling) -> tuple[pl.Expr, pl.Expr]:
    """`value` and `sentence` of a telling."""
    if telling.direction == Direction.UNKNOWN:
        value, sentence = pl.repeat(None, pl.len(), dtype=pl.Float64), render(telling.told.sentence)
    else:
        value = evaluated(telling.number)
        sentence = pl.concat_str(render(telling.told.sentence), *_tail(telling.feature))
    return value.alias("value"), sentence.alias("sentence")


def _tail(feature: Feature) -> Iterator[pl.Expr]:
    """What half of the peers have, where it is known and differs from what the student has; otherwise empty."""
    comparison = feature.comparison
    if comparison is None:
        return
    own, median = pl.col(OWN + feature.name), pl.col(MEDIAN + feature.name)
    none, fewer, more = (
        pl.concat_str(pl.lit("; "), render(text.replace("{median", "{" + MEDIAN + feature.name)))
        for text in (comparison.none, comparison.fewer, comparison.more)
    )
    yield (
        pl.when((median < own) & (median == 0))
        .then(none)
        .when(median < own)
        .then(fewer)
        .when(median > own)
        .then(more)
        .otherwise(pl.lit(""))
    )
