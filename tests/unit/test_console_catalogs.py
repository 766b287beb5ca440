"""Every message of the pages is there in every language, with the same placeholders."""

from __future__ import annotations

import ast
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import cis_ews.storage.database
import cis_ews.support
import serving.admission
import serving.console
from cis_ews import errors
from cis_ews.enums import AuditAction, DisciplineActionType, Subject
from cis_ews.errors import EwsError
from cis_ews.storage.database.audit import COMMAND_LINE
from cis_ews.storage.database.case_nights import NIGHT
from cis_ews.storage.database.people import NOBODY_LET_IN
from cis_ews.storage.database.sessions import OWN_ACCOUNT
from cis_ews.support.permissions import LOCALES, WHY_NOT, reasons_kept
from cis_ews.support.words import AUDIT_WORDS, DISCIPLINE_WORDS, SUBJECT_WORDS
from cis_ews.wording import BY_RULES, DEMONSTRATION
from serving.console.catalogs import FOLDER, SOURCE, chosen_locale, day, moment, translations
from serving.console.problems import told
from serving.errors import WORDINGS, ApiError

ROOTS = (Path(serving.console.__file__).parent, Path(cis_ews.support.__file__).parent)
PLACES = re.compile(r"%\((\w+)\)[sd]")
KEYWORDS = {"gettext": None, "ngettext": (1, 2), "_": None, "marked": None, "translated": (2,)}
REASONS = (COMMAND_LINE, NOBODY_LET_IN, OWN_ACCOUNT, NIGHT)
"""Why something was allowed that no role allows, as the audit has it."""
DATABASE = Path(cis_ews.storage.database.__file__).parent
REFUSING = (*ROOTS[1].glob("*.py"), *(DATABASE / f"{name}.py" for name in ("exceptions", "keys", "people")))
"""What the forms of the console go into, and is refused there in words that a page shows. Not `passwords`: the page of
the account has words of its own."""
OTHER_LOCALES = [locale for locale in LOCALES if locale != SOURCE]


def _messages() -> set[str]:
    """What the templates and the code say, the library's words for people too, and what they take from tables."""
    methods = [("**.html", "jinja2"), ("**.py", "python")]
    options = {"**.html": {"trimmed": "false", "newstyle_gettext": "true", "silent": "false"}}
    found: set[str] = set()
    for root in ROOTS:
        for _, _, message, _, _ in extract_from_dir(root, methods, options, keywords=KEYWORDS):
            found |= set(message) if isinstance(message, tuple) else {message}
    return found | {*WHY_NOT.values(), *reasons_kept(), *REASONS, BY_RULES, DEMONSTRATION}


@pytest.mark.parametrize("locale", OTHER_LOCALES)
def test_every_message_is_there_in_every_language(locale: str) -> None:
    messages = {message for message in _messages() if message}
    assert len(messages) > 300
    known: set[str] = set()
    for file in (FOLDER / locale / "LC_MESSAGES").glob("*.po"):
        with file.open("rb") as catalog:
            for message in read_po(catalog):
                known |= set(message.id) if isinstance(message.id, tuple) else {message.id}
    assert sorted(messages - known) == []
    assert translations(locale).gettext("Early warning") != "Early warning"


def _errors() -> set[str]:
    """What the problem page says: of each status, and where the console raises an error with words of its own."""
    statuses = set(WORDINGS) - {303}  # which is no page
    said = {text for status in statuses for text in told(ApiError(status)) if text}
    sources = [*Path(serving.console.__file__).parent.glob("*.py"), Path(serving.admission.__file__)]
    calls = (node for file in sources for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    for call in calls:
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "ApiError"
            and call.args[1:]
        ):
            given = [*call.args[1:], *(word.value for word in call.keywords if word.arg == "hint")]
            assert not any(isinstance(text, ast.JoinedStr) for text in given), "a text with values has no translation"
            said |= {text.value for text in given if isinstance(text, ast.Constant) and isinstance(text.value, str)}
    return said


def _refusals() -> set[str]:
    """What the library says where it refuses a form: message and hint of every error that a page tells."""
    told_of = {kind.__name__ for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EwsError)}
    said: set[str] = set()
    for file in REFUSING:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in told_of):
                continue
            if file.stem == "passwords" or getattr(errors, call.func.id).http_status in (500, 503):
                continue
            given = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "hint")]
            assert not any(isinstance(text, ast.JoinedStr) for text in given), "a text with values has no translation"
            said |= {text.value for text in given if isinstance(text, ast.Constant) and isinstance(text.value, str)}
    return said


@pytest.mark.parametrize("locale", OTHER_LOCALES)
def test_every_refusal_of_a_form_is_told_in_every_language(locale: str) -> None:
    said = _refusals()
    assert {"There is an account with that e-mail address", "This role needs a school"} < said
    catalog = translations(locale)
    assert [text for text in sorted(said) if catalog.gettext(text) == text] == []


def test_every_kind_of_record_and_of_entry_in_the_audit_has_words() -> None:
    for kinds, words in (
        (AuditAction, AUDIT_WORDS),
        (Subject, SUBJECT_WORDS),
        (DisciplineActionType, DISCIPLINE_WORDS),
    ):
        assert list(words) == list(kinds)


@pytest.mark.parametrize("locale", OTHER_LOCALES)
def test_every_error_is_told_in_every_language(locale: str) -> None:
    catalog = translations(locale)
    assert [text for text in sorted(_errors()) if catalog.gettext(text) == text] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_a_moment_is_told_to_the_minute_and_says_whose_clock_it_is(locale: str) -> None:
    at = datetime(2026, 2, 27, 8, 31, 59, tzinfo=timezone(timedelta(hours=6)))
    told_at = moment(at, locale, UTC)
    assert "2:31" in told_at
    assert ":59" not in told_at
    assert told_at.endswith(" UTC")
    seattle = ZoneInfo("America/Los_Angeles")
    assert ("6:31" if locale == "en" else "18:31") in moment(at, locale, seattle)
    assert "26" in moment(at, locale, seattle)  # the evening before
    assert moment(at, locale, seattle).endswith(" PST")
    assert moment(at.replace(month=7), locale, seattle).endswith(" PDT")


def test_the_day_of_a_moment_is_that_of_the_time_zone_and_a_date_is_in_none() -> None:
    seattle, evening = ZoneInfo("America/Los_Angeles"), datetime(2026, 3, 1, 4, tzinfo=UTC)
    assert day(evening, "en", seattle) == "February 28, 2026"
    assert day(evening, "en", UTC) == "March 1, 2026"
    assert day(date(2026, 3, 1), "en", seattle) == "March 1, 2026"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*/LC_MESSAGES/*.po")), ids=lambda file: file.name)
def test_a_translation_keeps_the_placeholders_and_is_whole(file: Path) -> None:
    with file.open("rb") as catalog:
        messages = [message for message in read_po(catalog) if message.id]
    for message in messages:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(strings)
        assert not message.fuzzy
        for text in strings:
            assert set(PLACES.findall(text)) == set(PLACES.findall(ids[-1]))
            assert "<" not in text


def test_a_message_is_said_once_over_all_files_of_a_language() -> None:
    for locale in OTHER_LOCALES:
        said: dict[str, set[object]] = {}
        for file in (FOLDER / locale / "LC_MESSAGES").glob("*.po"):
            with file.open("rb") as catalog:
                for message in read_po(catalog):
                    if message.id:
                        said.setdefault(str(message.id), set()).add(message.string)
        assert {key for key, strings in said.items() if len(strings) > 1} == set()


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9", "es"),
        ("fr, es;q=0.8, en;q=0.1", "es"),
        ("en;q=0.2,es;q=0.1", "en"),
        ("es;q=0", "en"),
        ("es;q=x", "en"),
        ("*", "en"),
        ("," * 10_000, "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_asks_for(accepted: str, locale: str) -> None:
    assert chosen_locale(accepted) == locale
