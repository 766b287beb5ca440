"""Words that messages share: counts with their noun, what pydantic finds wrong, and what decided a night."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from unicodedata import category

from pydantic import ValidationError

_VALUE_ERROR = "Value error, "
_PLAIN = {
    "missing": "is missing",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a section",
    "mapping_type": "should be a section",
    "model_type": "should be a section",
    "string_type": "should be a text",
    "too_short": "should not be empty",
    "finite_number": "should be a number",
}


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: `1 run`, `2 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def visible(text: str) -> str:
    """The text without anything that moves a terminal or turns its writing: a middle dot is where that stood."""
    return "".join("·" if category(each) in _UNSEEN else each for each in text)


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
NAMED = 5


def some(names: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


BY_RULES = "Published rules; no trained model was used"
DEMONSTRATION = "For demonstration only: this model learned from made-up students, and no child may be judged by it"


def decided_by(model: Mapping[str, Any]) -> str:
    """What decided a night, from the statement `model` of its run."""
    if model.get("kind") != "trained":
        return BY_RULES
    learned = f", learned {model['about']['label']}" if model.get("about", {}).get("label") else ""
    return f"A trained model ({model['version']}{learned}), with published rules beside it as a safety net"


def model_notices(model: Mapping[str, Any]) -> list[str]:
    """What whoever sees the results of a night has to know of its model."""
    return [DEMONSTRATION] if model.get("about", {}).get("made_up") else []


def mistakes(error: ValidationError, *, names: Collection[str]) -> list[str]:
    """Each mistake in a file of keys, as `key: what is wrong`; `names` are all keys that are known.

    What was given is not repeated, but by those checks of ours that say it themselves.
    """
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [_mistake(".".join(map(str, each["loc"])), each["type"], each["msg"], names=names) for each in found]


def _mistake(place: str, kind: str, message: str, *, names: Collection[str]) -> str:
    if kind == "extra_forbidden":
        near = get_close_matches(place.rpartition(".")[2], sorted(names), n=1, cutoff=0.5)
        words = "there is no such key" + (f"; did you mean {near[0]}?" if near else "")
    else:
        words = _PLAIN.get(kind, message.removeprefix(_VALUE_ERROR).replace("Input should", "should"))
    return f"{place}: {words}" if place else words
