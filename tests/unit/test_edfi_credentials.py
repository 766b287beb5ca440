"""Key and secret of an Ed-Fi API: from the environment or a file, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from cis_ews.errors import ConfigError
from cis_ews.fetching.credentials import read_credentials
from cis_ews.readers.edfi_api_config import KEY_VARIABLE, SECRET_VARIABLE, ApiConfig
from cis_ews.readers.edfi_config import load_edfi
from cis_ews.settings import OTHER_VARIABLES

GIVEN = {KEY_VARIABLE: "hunter", SECRET_VARIABLE: "hunter2"}


def write(path: Path, text: str, *, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_they_come_from_the_environment_and_are_not_shown() -> None:
    found = read_credentials(None, GIVEN)
    assert (found.key.get_secret_value(), found.secret.get_secret_value()) == ("hunter", "hunter2")
    assert "hunter" not in repr(found)


def test_the_settings_know_the_variables() -> None:
    assert {KEY_VARIABLE, SECRET_VARIABLE} <= OTHER_VARIABLES


@pytest.mark.parametrize("given", [{}, {KEY_VARIABLE: "hunter"}, {**GIVEN, SECRET_VARIABLE: ""}])
def test_without_them_the_variables_are_named(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=rf"no key to the API: .*{SECRET_VARIABLE} not set") as caught:
        read_credentials(None, given)
    assert "hunter" not in str(caught.value)


def test_a_file_comes_before_the_environment(tmp_path: Path) -> None:
    found = read_credentials(write(tmp_path / "key", "one\n\n two \n"), GIVEN)
    assert (found.key.get_secret_value(), found.secret.get_secret_value()) == ("one", "two")


@pytest.mark.parametrize("mode", [0o644, 0o602])
def test_a_file_that_everyone_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / "key", "one\ntwo\n", mode=mode)
    with pytest.raises(ConfigError, match="Everyone on this machine may open") as caught:
        read_credentials(file, {})
    assert f"chmod 600 {file}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "hunter\n", "hunter\nhunter2\nhunter3\n"])
def test_a_file_of_something_else_is_told_without_what_is_in_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"lines?, not two") as caught:
        read_credentials(write(tmp_path / "key", text), {})
    assert "hunter" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_credentials(tmp_path / "key", {})


def test_relative_files_lie_beside_the_configuration(tmp_path: Path) -> None:
    text = 'reader = "edfi"\n[api]\nurl = "https://api.district.example/"\ncredentials = "k"\nca_bundle = "b.pem"\n'
    api = load_edfi(write(tmp_path / "own.toml", text)).api
    assert api is not None
    assert (api.url, api.credentials, api.ca_bundle) == (
        "https://api.district.example",
        tmp_path / "k",
        tmp_path / "b.pem",
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('leave_out = ["grade"]', "api.leave_out: 1 of them are no resources that are read; known are students"),
        ('leave_out = ["students"]', "api.leave_out: students and schools cannot be left out"),
        ("page_size = 0", "api.page_size: should be greater than or equal to 1"),
        ('secret = "hunter2"', "api.secret: there is no such key"),
        ("timeout_seconds = inf", "api.timeout_seconds: "),
    ],
)
def test_a_mistake_is_told_by_its_key(tmp_path: Path, line: str, said: str) -> None:
    text = f'reader = "edfi"\n[api]\nurl = "https://api.district.example"\n{line}\n'
    with pytest.raises(ConfigError) as caught:
        load_edfi(write(tmp_path / "own.toml", text))
    assert said in caught.value.message
    assert "hunter" not in str(caught.value)


def test_the_defaults_are_borne_by_an_ordinary_server() -> None:
    config = ApiConfig(url="https://api.district.example")
    assert config.page_size == 500  # the most that Ed-Fi's API allows as it is shipped
    assert (config.paging, config.snapshot, config.leave_out) == ("auto", False, ())
