"""Settings: the file, the environment over it, and every mistake an error that names the right word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cis_ews.errors import ConfigError
from cis_ews.settings import SECTIONS, NamedSourceSettings, ProviderSettings, Settings, load_settings, variable_names

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "configs/cis_ews.toml"
PAGE = ROOT / "docs/settings.md"
SECRET = "hunter2"  # noqa: S105 - planted, to look for it in messages


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str) -> Path:
        file = tmp_path / "settings.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return _write


def test_defaults_without_a_file() -> None:
    settings = load_settings()
    assert settings.store.path == Path("cis_ews_store")
    assert settings.source.format == "folder"
    assert settings.log.file is None


def test_the_file_sets_and_the_environment_overrides(write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write('[store]\npath = "from_file"\n[source]\ntolerance = 0.1\n')
    monkeypatch.setenv("CIS_EWS_STORE__PATH", "from_environment")
    settings = load_settings(file)
    assert settings.store.path == Path("from_environment")
    assert settings.source.tolerance == 0.1


def test_the_environment_names_the_file(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIS_EWS_CONFIG", str(write('[store]\npath = "named"\n')))
    assert load_settings().store.path == Path("named")


def test_an_empty_variable_is_as_if_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIS_EWS_SOURCE__TOLERANCE", "")
    assert load_settings().source.tolerance is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('[stroe]\npath = "x"\n', "stroe", "did you mean store?"),
        ('[store]\npth = "x"\n', "key in section [store]", "did you mean path?"),
        ("confg_version = 1\n", "confg_version", "did you mean config_version?"),
        ("[service]\nquiet = true\n", "[service]", "there are: idle_minutes, public_url, session_hours, time_zone"),
        ('[sources.nightly]\npath = "x"\ndistrict = ["d"]\n', "[sources.nightly]", "did you mean districts?"),
        ("store = 3\n", "is a section", "write [store]"),
        ("config_version = 2\n", "config_version: should be 1", "correct it"),
        ("[source]\ntolerance = 7\n", "source.tolerance", "correct it"),
        ('[log]\nlevel = "loud"\n', "log.level", "correct it"),
        ('[service]\ntime_zone = "Pacific"\n', "service.time_zone: should be a time zone", "correct it"),
        ('[service]\ntime_zone = "../etc"\n', "service.time_zone: should be a time zone", "correct it"),
        ('[service]\ntime_zone = ""\n', "service.time_zone: should be a time zone", "correct it"),
        ("[store\n", "is not TOML", "see configs/cis_ews.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named(write, text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(text))
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CIS_EWS_STORE_PATH", "CIS_EWS_STORE__PATH"),
        ("CIS_EWS_LOG__LVL", "CIS_EWS_LOG__LEVEL"),
        ("cis_ews_stor__path", "CIS_EWS_STORE__PATH"),
        ("CIS_EWS_CONFG", "CIS_EWS_CONFIG"),
        ("CIS_EWS_STORE", "CIS_EWS_STORE__PATH"),
    ],
)
def test_a_mistyped_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert name in caught.value.message
    assert caught.value.hint == f"did you mean {meant}?"
    assert SECRET not in str(caught.value)


def test_an_empty_path_of_the_store_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIS_EWS_STORE__PATH", "")
    with pytest.raises(ConfigError, match="CIS_EWS_STORE__PATH is set and empty"):
        load_settings()


def test_a_tolerance_that_is_no_number_is_refused(write) -> None:
    with pytest.raises(ConfigError, match=r"source\.tolerance: should be a number"):
        load_settings(write("[source]\ntolerance = nan\n"))


def test_a_missing_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")
    monkeypatch.setenv("CIS_EWS_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings()


def test_a_password_is_shown_nowhere(write) -> None:
    settings = load_settings(write(f'[store]\ndatabase = "postgresql://u:{SECRET}@h/d"\n'))
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())
    with pytest.raises(ConfigError) as caught:
        load_settings(write(f'[store]\ndatabase = ["{SECRET}"]\n'))
    assert SECRET not in str(caught.value)


def _documented_keys(section: str, text: str) -> set[str]:
    """Keys of a section in the example, the ones in comments too."""
    body = re.split(rf"^(?:# )?\[{re.escape(section)}\]\n", text, flags=re.MULTILINE)[1]
    own = re.split(r"^(?:# )?\[", body, flags=re.MULTILINE)[0]
    return set(re.findall(r"^(?:# )?(\w+) = ", own, flags=re.MULTILINE))


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        *((name, set(model.model_fields)) for name, model in SECTIONS.items()),
        ("sources.nightly", set(NamedSourceSettings.model_fields)),
        ("providers.school", set(ProviderSettings.model_fields)),
    ],
)
def test_the_example_documents_every_setting(section: str, keys: set[str]) -> None:
    assert _documented_keys(section, EXAMPLE.read_text(encoding="utf-8")) == keys


def test_the_example_shows_the_defaults() -> None:
    assert load_settings(EXAMPLE) == Settings()


def test_the_example_loads_with_every_comment_taken_away(write) -> None:
    text = re.sub(r"^# ((?:\w+ = |\[).*)$", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(tomllib.loads(text)) == set(Settings.model_fields)
    assert load_settings(write(text)).sources["nightly"].districts == ("d1",)


def test_the_page_documents_every_variable() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in variable_names() if f"| `{name}` |" not in page] == []
    assert set(NamedSourceSettings.model_fields) <= set(re.findall(r"`(\w+)`", page))
