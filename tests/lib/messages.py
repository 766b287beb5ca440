"""Every message that the console shows: from its templates, and what the library marks as words for people."""

from __future__ import annotations

from pathlib import Path

from babel.messages.extract import extract_from_dir

ROOT = Path(__file__).parents[2]
SOURCES = {"serving/console/templates": ("**.html", "jinja2"), "src/cis_ews/support": ("**.py", "python")}
KEYWORDS = {"gettext": None, "ngettext": (1, 2), "_": None, "marked": None}
OPTIONS = {"**.html": {"trimmed": "false", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}


def messages() -> dict[str, list[str]]:
    """The messages, each with the places where it stands."""
    found: dict[str, list[str]] = {}
    for folder, (pattern, method) in SOURCES.items():
        for file, line, message, *_ in extract_from_dir(
            str(ROOT / folder), [(pattern, method)], options_map=OPTIONS, keywords=KEYWORDS
        ):
            # A count has its message in the singular and the plural; the catalog knows both under the first.
            one = message if isinstance(message, str) else message[0]
            found.setdefault(one, []).append(f"{folder}/{file}:{line}")
    return found
