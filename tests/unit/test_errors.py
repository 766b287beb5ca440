"""The error tree: codes, exits, pickling, the three parts of a message."""

from __future__ import annotations

import inspect
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cis_ews import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.EwsError)]
EXIT_CODES = {
    errors.CaseError: 2,
    errors.ConfigError: 2,
    errors.DataError: 3,
    errors.ModelError: 4,
    errors.NotAllowedError: 2,
    errors.StorageError: 5,
}


@pytest.mark.parametrize("kind", KINDS)
def test_survives_leaving_a_worker_process(kind: type[errors.EwsError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("7 rows are wrong", hint="fix the export", rows=7)))  # noqa: S301 - our own bytes
    assert type(copy) is kind
    assert (copy.message, copy.hint, copy.details) == ("7 rows are wrong", "fix the export", {"rows": 7})
    assert str(copy) == "7 rows are wrong; fix the export"


def test_can_be_annotated_and_raised_through_a_context_manager() -> None:
    @contextmanager
    def stage() -> Iterator[None]:
        yield

    with pytest.raises(errors.DataError, match="no rows") as caught, stage():
        raise errors.DataError("no rows")
    caught.value.add_note("while reading")
    assert caught.value.__notes__ == ["while reading"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not errors.EwsError])
def test_every_error_belongs_to_a_branch_with_an_exit_code(kind: type[errors.EwsError]) -> None:
    branches = [branch for branch in EXIT_CODES if issubclass(kind, branch)]
    assert len(branches) == 1
    assert kind.exit_code == EXIT_CODES[branches[0]]


def test_codes_tell_the_kinds_apart() -> None:
    codes = [kind.code for kind in KINDS]
    assert sorted(codes) == sorted(set(codes))


def test_the_tree_in_the_docstring_names_every_class() -> None:
    assert [kind.__name__ for kind in KINDS if kind.__name__ not in (errors.__doc__ or "")] == []
