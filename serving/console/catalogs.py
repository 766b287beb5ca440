"""The languages of the pages: message catalogs (`locales/<language>/LC_MESSAGES/*.po`), one file a subject."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import dates, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from cis_ews.support.permissions import LOCALES

FOLDER = Path(__file__).parent / "locales"
SOURCE = "en"
"""The language that the messages are written in, which needs no catalog."""


@cache
def translations(locale: str) -> Translations:
    """All catalogs of a language in one; English is the messages themselves."""
    found = Translations()
    for file in sorted((FOLDER / locale / "LC_MESSAGES").glob("*.po")):
        compiled = BytesIO()
        with file.open("rb") as catalog:
            write_mo(compiled, read_po(catalog, locale=locale))
        compiled.seek(0)
        found.merge(Translations(compiled))
    return found


def chosen_locale(accepted: str) -> str:
    """The language of somebody who has not said: what the browser asks for, else English."""
    wanted = [tag for weight, tag in sorted(_weights(accepted), key=lambda one: -one[0]) if tag and weight > 0]
    return negotiate_locale(wanted, list(LOCALES), sep="-") or SOURCE


def day(value: date | None, locale: str, zone: tzinfo) -> str:
    """A date in the words of a language; of a moment, the day that it is in a time zone."""
    if isinstance(value, datetime):
        value = value.astimezone(zone).date()
    return "" if value is None else dates.format_date(value, format="long", locale=locale)


def month(value: date, locale: str) -> str:
    """The month of a date, short."""
    return dates.format_date(value, format="MMM", locale=locale)


def moment(value: datetime | None, locale: str, zone: tzinfo) -> str:
    """A moment in the words of a language, to the minute, by the clock of a time zone, which it says."""
    if value is None:
        return ""
    at = value.astimezone(zone)
    # The clock without its zone: babel would have it in UTC again.
    clock = dates.format_time(at.timetz().replace(tzinfo=None), format="short", locale=locale)
    return f"{dates.format_date(at, format='medium', locale=locale)}, {clock} {at.tzname()}"


def _weights(accepted: str) -> Iterator[tuple[float, str]]:
    for part in accepted.split(",")[:20]:
        tag, _, weight = part.partition(";q=")
        yield (_number(weight), tag.strip())


def _number(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
