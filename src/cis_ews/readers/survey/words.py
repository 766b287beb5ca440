"""Headings, file names and codes in words: what schools' systems call things, from `defaults/headings.toml`.

A heading is shown or written only if it speaks: if its words are known here. What stands in a first line that is no
heading at all, or a damaged one, may be a student's name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import PurePosixPath

from cis_ews.readers.cells import plain

Words = tuple[str, ...]
MAX_HEADING = 80
REMEMBERED = 8192
FILLERS = frozenset(("of", "the", "a", "an", "in", "is", "to", "for", "and", "on"))
SAME_NAME = 0.9
SECOND, SECOND_CHOICE = "~", 0.85
AFTER, OF_STUDENT = 0.95, 0.85  # what is left of a score without the words around
SUPERSET, FOREIGN, PARTIAL, LEAST = 0.84, 0.1, 0.6, 0.3
SHORT = 3  # letters of a word that cannot be anybody's id, and hardly a name
EXTRA = 0.1  # what each further word of a heading takes away
PLACES = re.compile(r"(?:column|col|field|fld|f|v|var|c|x)[ _]?\d{1,3}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The shipped words, already cut into what `words_of` cuts headings into.

    `short`: abbreviation -> words. `known`: every word of a heading. `generic`, `noise` and others: as the TOML.
    `columns`: table -> column -> the headings that mean it; `second`: column and heading where that is a second choice.
    `files`: table -> names of files. `codes`: column -> code
    in plain writing -> a word of the contract; `unsure`: those that may mean another. `fractions`: status -> part of
    a day.
    """

    short: Mapping[str, str]
    known: frozenset[str]
    generic: frozenset[str]
    bare: frozenset[str]
    noise: frozenset[str]
    foreign: frozenset[str]
    columns: Mapping[str, Mapping[str, tuple[Words, ...]]]
    second: frozenset[tuple[str, Words]]
    files: Mapping[str, tuple[Words, ...]]
    codes: Mapping[str, Mapping[str, str]]
    unsure: Mapping[str, Mapping[str, str]]
    fractions: Mapping[str, int]


@cache
def lexicon() -> Lexicon:
    """The shipped lexicon."""
    said = tomllib.loads((files("cis_ews") / "defaults" / "headings.toml").read_text(encoding="utf-8"))
    short: dict[str, str] = said["short"]
    headings: dict[str, dict[str, list[str]]] = said["columns"]
    named: dict[str, list[str]] = said["files"]
    second = {(name, each) for columns in headings.values() for name, listed in columns.items() for each in listed}
    phrases = [each for columns in headings.values() for listed in columns.values() for each in listed]
    phrases += [each for listed in named.values() for each in listed]
    known = frozenset(
        word
        for phrase in [*phrases, *short.values(), *said["also"], *said["foreign"]]
        for word in _split(phrase, short)
    )
    cut = {table: {name: _cut(listed, short, known) for name, listed in of.items()} for table, of in headings.items()}
    general = cut.pop("any")
    return Lexicon(
        short=short,
        known=known | frozenset(short),
        generic=frozenset(word for each in said["generic"] for word in _split(each, short)),
        noise=frozenset(said["noise"]),
        bare=frozenset(word for each in said["bare"] for word in _split(each, short)),
        foreign=frozenset(word for each in said["foreign"] for word in _split(each, short)),
        columns={table: _with_general(of, general) for table, of in cut.items()},
        second=frozenset(
            (name, _segmented(_split(each, short), short, known)) for name, each in second if each.startswith(SECOND)
        ),
        files={table: _cut(listed, short, known) for table, listed in named.items()},
        codes={
            column: _meanings(words) | {plain(word): word for word in words} for column, words in said["codes"].items()
        },
        unsure={column: _meanings(words) for column, words in said["unsure"].items()},
        fractions={word: int(part) for part, listed in said["fractions"].items() for word in listed},
    )


def _meanings(words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {_bare(code): word for word, codes in words.items() for code in codes}


def _bare(code: str) -> str:
    """A code without case and punctuation; the sign of a number stays."""
    return code.strip() if re.fullmatch(r"\s*-\d+\s*", code) else plain(code)


def _with_general(
    own: Mapping[str, tuple[Words, ...]], general: Mapping[str, tuple[Words, ...]]
) -> dict[str, tuple[Words, ...]]:
    return {name: (*general.get(name, ()), *own.get(name, ())) for name in {**general, **own}}


def _cut(listed: Sequence[str], short: Mapping[str, str], known: frozenset[str]) -> tuple[Words, ...]:
    return tuple(dict.fromkeys(_segmented(_split(each, short), short, known) for each in listed))


def _split(text: str, short: Mapping[str, str]) -> Words:
    """The words of a heading, in small letters, abbreviations written out, without what says nothing."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)", " ", text)
    tokens = [token for token in re.split(r"[^a-z0-9]+", spaced.casefold()) if token]
    written = [word for token in tokens for word in short.get(token, token).split()]
    return tuple(_singular(word) for word in written if word not in FILLERS)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _segmented(words: Words, short: Mapping[str, str], known: frozenset[str]) -> Words:
    """Words that are written together are taken apart, and a word said twice in a row is one."""
    parts = [part for word in words for part in ((word,) if word in known else _apart(word, short, known))]
    return tuple(part for at, part in enumerate(parts) if at == 0 or part != parts[at - 1])


def _apart(word: str, short: Mapping[str, str], known: frozenset[str]) -> Words:
    if len(word) > MAX_HEADING:
        return (word,)
    best: list[Words | None] = [(), *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for begin in range(max(0, end - 20), end - 1):
            piece, before = word[begin:end], best[begin]
            meant = _split(short.get(piece, piece), {})
            if before is not None and (piece in short or set(meant) <= known):
                found = (*before, *meant)
                shortest = best[end]
                best[end] = found if shortest is None or len(found) < len(shortest) else shortest
    return best[-1] or (word,)


@lru_cache(REMEMBERED)
def words_of(text: str) -> Words:
    """A heading, or the name of a file, in words."""
    words = lexicon()
    cut = re.sub(r"^\s*\[[^\]]*\]", " ", text[: 4 * MAX_HEADING])  # [Students]Student_Number
    return _segmented(_split(cut, words.short), words.short, words.known)


def speaks(text: str) -> bool:
    """Whether a heading or a file's name may be shown: its words are known, or too short to say anything, or it names a
    place (`col 7`)."""
    if len(text) > MAX_HEADING or not (text.isascii() and text.isprintable()):
        return False
    known = lexicon().known
    strange = [word for word in words_of(text) if word not in known]
    some = len(strange) < len(words_of(text))
    return bool(PLACES.fullmatch(text.strip())) or (some and all(len(word) <= SHORT for word in strange))


def tail_of(text: str) -> Words:
    """The words behind the name of a thing, `grading.score`, `Person > First name`; none where they say too little."""
    before, mark, behind = text[: 4 * MAX_HEADING].rpartition("." if "." in text else ">")
    words, known = _without_noise(words_of(behind)), lexicon()
    if not mark or set(words) <= known.bare or set(words_of(before)) & known.foreign:
        return ()
    return words


@lru_cache(REMEMBERED)
def name_score(heading: str, table: str, column: str) -> float:
    """How well a heading is one that a column has, 0 to 1; 1 where it says the same words."""
    known = {each: _weight(column, each) for each in lexicon().columns[table].get(column, ())}
    words = words_of(heading)
    forms = [(words, 1.0), (tail_of(heading), AFTER), (_without_noise(words), AFTER)]
    forms.append((_without_noise(words)[1:] if words[:1] == ("student",) else (), OF_STUDENT))
    return max(
        (sure * weight * _likeness(form, each) for form, sure in forms if form for each, weight in known.items()),
        default=0.0,
    )


def _weight(column: str, synonym: Words) -> float:
    return SECOND_CHOICE if (column, synonym) in lexicon().second else 1.0


def _without_noise(words: Words) -> Words:
    return tuple(word for word in words if word not in lexicon().noise)


@lru_cache(REMEMBERED)
def columns_named(heading: str) -> frozenset[str]:
    """The columns of any table that a heading names as well as can be."""
    named = lexicon().columns
    return frozenset(
        column
        for table, columns in named.items()
        for column in columns
        if name_score(heading, table, column) >= SAME_NAME
    )


def _likeness(heading: Words, synonym: Words) -> float:
    said, meant = set(heading), set(synonym)
    if "".join(heading) == "".join(synonym):
        return 1.0
    if said == meant:
        return 0.95
    words = lexicon()
    is_foreign = bool((said - meant) & words.foreign)
    if meant <= said:
        each = EXTRA if meant - words.generic else 2 * EXTRA
        is_telling = bool(meant - words.generic) or len(meant) > 1
        whole = max(SUPERSET - each * (len(said - meant) - 1), LEAST) if is_telling else LEAST
        return FOREIGN if is_foreign else whole
    common = set[str]() if is_foreign else said & meant
    if common - words.generic or len(common) > 1:
        return PARTIAL * 2 * len(common) / (len(said) + len(meant))
    return 0.3 * len(common) / len(meant)


def file_score(name: str, table: str) -> float:
    """How well the name of a file is one that the files of a table have, 0 to 1."""
    said = set(words_of(PurePosixPath(name).name.partition(".")[0]))
    scores = [len(set(each) & said) / len(set(each) | said) for each in lexicon().files[table]]
    whole = [0.7 for each in lexicon().files[table] if set(each) <= said]
    return max([*scores, *whole])


def code_of(column: str, code: str) -> str | None:
    """What a source's code means in a column of the contract; None where it is not known."""
    words = lexicon()
    return words.codes.get(column, {}).get(_bare(code)) or words.unsure.get(column, {}).get(_bare(code))


def is_unsure(column: str, code: str) -> bool:
    """Whether a code says less than the contract asks, so that its meaning is a question."""
    return _bare(code) in lexicon().unsure.get(column, {})
