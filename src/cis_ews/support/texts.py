"""Free text as people write it: bounded, and without what a screen, a print or a database cannot hold."""

from __future__ import annotations

import unicodedata

from cis_ews.errors import DecisionRefusedError
from cis_ews.support.words import marked

LONGEST_TEXT = 4_000
LONGEST_NAME = 200


def checked_text(text: str, *, field: str, missing: str, longest: int = LONGEST_TEXT) -> str:
    """The text without blanks around it. Raises DecisionRefusedError where nothing is left, or too much."""
    kept = cleaned(text)
    if not is_seen(kept):
        raise DecisionRefusedError(missing, field=field)
    return within(kept, field=field, longest=longest)


def optional_text(text: str, *, field: str, longest: int = LONGEST_TEXT) -> str:
    """The text without blanks around it, which may be empty. Raises DecisionRefusedError where it is too long."""
    return within(cleaned(text), field=field, longest=longest)


def within(text: str, *, field: str, longest: int) -> str:
    """The text. Raises DecisionRefusedError where it is too long."""
    if len(text) > longest:
        raise DecisionRefusedError(marked("The text is too long."), field=field, longest=longest)
    return text


def cleaned(text: str) -> str:
    """One kind of line end, and no control characters; marks of direction stay: a name may need them."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(sign for sign in lines if sign == "\n" or unicodedata.category(sign) not in _CONTROL).strip()


def is_seen(text: str) -> bool:
    """Whether there is anything to see of a text: one of blanks, marks of direction and fillers is as good as empty."""
    return any(unicodedata.category(sign)[0] in _SEEN and sign not in _FILLERS for sign in text)


_SEEN = ("L", "N", "P", "S")
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol by their category, and blank on every screen."""
_CONTROL = ("Cc", "Cs")
