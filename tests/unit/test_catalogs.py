"""Every message of the console has its words in Spanish, with the same values in it."""

from __future__ import annotations

import re

from serving.console.catalogs import translations
from tests.lib.messages import messages

VALUE = re.compile(r"%\(\w+\)s")


def test_every_message_is_in_the_spanish_catalogs() -> None:
    known = translations("es")._catalog
    found = messages()
    assert len(found) > 150
    missing = {text: places[0] for text, places in found.items() if not (known.get(text) or known.get((text, 1)))}
    assert missing == {}


def test_a_translation_has_the_values_of_its_message() -> None:
    spanish = translations("es")
    for text in messages():
        assert set(VALUE.findall(spanish.gettext(text))) == set(VALUE.findall(text)), text
