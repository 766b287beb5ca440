"""The error tree: every failure that a caller may want to tell apart.

    EwsError
    ├── ConfigError            exit 2   a setting, a policy or a call is wrong
    ├── DataError              exit 3   the school data cannot be used as they are
    │   ├── ReadError                   a file is missing, empty, damaged or hostile
    │   ├── FetchError                  the system that holds the records refuses, fails, or answers with something else
    │   ├── SchemaError                 a table or column is missing or of another kind
    │   ├── UnmappedCodesError          a source uses codes that the mapping does not know
    │   └── ToleranceError              too many rows were rejected
    ├── ModelError             exit 4   a model cannot be fitted, read or used
    │   ├── ModelNotFoundError          there is no such model
    │   ├── FeatureMismatchError        a model does not fit the features it is given
    │   └── PromotionRefusedError       a model does not pass the gates before the champion's place
    ├── NotAllowedError        exit 2   this person may not do that, and why not
    ├── StorageError           exit 5   a run, the store, the database or the registry of models
    │   ├── RunNotFoundError            no such run or student in the store
    │   ├── RunDamagedError             a stored run does not match its manifest
    │   ├── RunCompactedError           a table of a stored run was taken away, and can be made again
    │   ├── RegistryError               the registry of models cannot be read or written
    │   └── StoreLockedError            another night is writing to the same store
    └── CaseError              exit 2   what somebody wants to do about a student cannot be done
        ├── DecisionRefusedError        not from this state, not by this person, or something is missing
        └── CaseMovedError              somebody else, or a night, was there first

A message has three parts: what was found, where (file, row number, column, count), and what to do, which is `hint`. No
message and no detail ever carries a cell value, a student's name or a student's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from polars import DataFrame


class EwsError(Exception):
    """Base of all errors of this package; `hint` says what to do, `details` are counts and places for machines."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}; {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments are lost by the default pickling, and an error has to survive leaving a worker process.
        return _rebuild, (type(self), self.message, {"hint": self.hint, **self.details})


def _rebuild(kind: type[EwsError], message: str, keywords: dict[str, Any]) -> EwsError:
    return kind(message, **keywords)


class ConfigError(EwsError):
    """A setting, a policy file or a call is wrong: a typo, a missing file, a value out of range."""

    exit_code = 2
    http_status = 422
    code = "configuration"


class DataError(EwsError):
    """The school data cannot be used as they are."""

    exit_code = 3
    http_status = 422
    code = "data"


class ReadError(DataError):
    """A source file is missing, empty, damaged, of an unknown kind, or unsafe to open."""

    code = "data_unreadable"


class FetchError(DataError):
    """A system that is asked for records refuses, fails, cannot be reached, or answers with something else.

    `details` may have `resources` (names) and `status` (of HTTP).
    """

    http_status = 502
    code = "data_not_fetched"


class SchemaError(DataError):
    """A required table or column is missing, or a column is not of the kind that the contract asks for."""

    code = "data_schema"


class UnmappedCodesError(DataError):
    """A source uses codes that its mapping does not know; `details["codes"]` counts them."""

    code = "data_unmapped_codes"


class ToleranceError(DataError):
    """More rows of a required table were rejected than its tolerance allows.

    `rejections`: every rejection so far, as a table; None where the error comes from another process.
    """

    code = "data_tolerance"
    rejections: DataFrame | None = None


class ModelError(EwsError):
    """A model cannot be fitted on what it was given, cannot be read, or cannot be used."""

    exit_code = 4
    http_status = 409
    code = "model"


class ModelNotFoundError(ModelError):
    """There is no such model, or no such version or alias of it."""

    http_status = 404
    code = "model_not_found"


class FeatureMismatchError(ModelError):
    """A model does not fit the features that it is given; `details` list what is missing, unknown or changed."""

    code = "model_features"


class PromotionRefusedError(ModelError):
    """A version does not pass the gates before the champion's place; `details["gates"]` names them."""

    code = "promotion_refused"


class NotAllowedError(EwsError):
    """A person may not see or do something; the message is the reason, which the disabled button shows as well."""

    exit_code = 2
    http_status = 403
    code = "not_allowed"


class StorageError(EwsError):
    """A run, the store or the database cannot be read or written."""

    exit_code = 5
    http_status = 503
    code = "storage"


class RunNotFoundError(StorageError):
    """There is no such run, or no such student in it."""

    http_status = 404
    code = "not_found"


class RunDamagedError(StorageError):
    """A stored run does not match its manifest."""

    code = "run_damaged"


class RunCompactedError(StorageError):
    """A table of a stored run was taken away by retention, and can be made again."""

    http_status = 404
    code = "run_compacted"


class RegistryError(StorageError):
    """The registry of models cannot be reached, read or written."""

    code = "registry"


class StoreLockedError(StorageError):
    """Another process is writing to the same store."""

    http_status = 409
    code = "store_locked"


class CaseError(EwsError):
    """What somebody wants to do about a student cannot be done."""

    exit_code = 2
    http_status = 409
    code = "case"


class DecisionRefusedError(CaseError):
    """Not possible from this state, not by this person, or not without what is missing; `details["field"]` names it."""

    http_status = 422
    code = "decision_refused"


class CaseMovedError(CaseError):
    """The case is no longer what the page showed: somebody else, or a night, was there first. Nothing was written."""

    code = "case_moved"
