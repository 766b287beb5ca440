"""What goes wrong with a registry of models, in words of ours: never the SQL, the address or the values of an error."""

from __future__ import annotations

import os

from cis_ews.errors import ConfigError

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # What MLflow logs on the way to an error repeats SQL and its values; the error itself is told in words of ours.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # It would print the address of a server, with the password that may stand in it.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Its own patience with a server that is down is many minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}

HINTS = {
    "read": "see that it is there and running; --model rules scores without it",
    "write to": "see that it is there, running and writable; nothing was registered or promoted",
}
_CAUSES = {
    "readonly": "it is read-only",
    "read-only": "it is read-only",
    "Permission denied": "permission is denied",
    "unable to open database file": "its database file cannot be opened",
    "not a database": "its database file is damaged",
    "malformed": "its database file is damaged",
    "Connection": "it does not answer",
    "timed out": "it does not answer in time",
    "No such file": "a file of it is missing",
    "Failed to download": "a file of it is missing",
    "No space left": "the disk is full",
    "Not a directory": "a file is in its place",
}


def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises; it is loaded here, quietly, where it is needed first."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError as missing:
        found = f"The registry of models needs the package {missing.name}"
        raise ConfigError(found, hint="install it: pip install 'cis_ews[train]'") from None
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError)


def cause(error: Exception) -> str:
    """What happened, without the SQL and the values that the error's own text may carry."""
    said = str(error)
    return next((words for sign, words in _CAUSES.items() if sign in said), type(error).__name__)
