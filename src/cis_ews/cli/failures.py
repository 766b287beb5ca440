"""From errors to words and exit codes: what was found, and what to do; never a traceback, never a value.

Exit codes: 0 done, 1 a fault of the program, 2 usage or configuration, 3 data refused, 4 model missing or unfit,
5 storage, 6 a faulty night (`monitor`); ended by a signal: 129 (SIGHUP), 130 (Ctrl-C), 143 (SIGTERM).
"""

from __future__ import annotations

import errno
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn, cast

import typer

from cis_ews.cli.terminal import print_error, print_json
from cis_ews.errors import EwsError, StorageError
from cis_ews.interrupts import INTERRUPTED, OF_SHELLS, EndedError, Hearing, Left, hear_no_more, hearing
from cis_ews.logs import configure_logs, get_log, log_failure

UNEXPECTED = 1
PLACES = 3
"""So many places (file and row) of each rule are told."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(app: typer.Typer, arguments: Sequence[str], *, name: str) -> int:
    """Run one command line of an application and return its exit code; every error ends here."""
    as_json = "--json" in arguments
    configure_logs()  # nowhere, until the settings are known
    with hearing() as heard:
        try:
            code = app(args=list(arguments), prog_name=name, standalone_mode=False)
            sys.stdout.flush()
        except BaseException as error:  # noqa: BLE001 - told here in words of ours; a panic of polars is no Exception
            ended = heard.ended or _ended(error)  # whatever came of it
            if ended is not None:
                return _report_ended(ended, heard, as_json=as_json)
            return _report(error, as_json=as_json)
        if code == INTERRUPTED:
            return _report_ended(EndedError(signal.SIGINT, Left()), heard, as_json=as_json)
    return code if isinstance(code, int) else 0


def leave(code: int) -> NoReturn:
    """End the process with the exit code of a command line."""
    if code > OF_SHELLS:
        hear_no_more()
    sys.exit(code)


def _report(error: BaseException, *, as_json: bool) -> int:
    match error:
        case EwsError():
            return report_refusal(error, as_json=as_json)
        case typer.TyperException():
            return report_usage(error, as_json=as_json)
        case typer.Abort():  # who was asked said no
            return INTERRUPTED
        case BrokenPipeError() | SystemExit():  # typer leaves by SystemExit when nobody reads its output any more
            return leave_quietly()
        case _:
            return report_fault(error, as_json=as_json)


def _ended(error: BaseException) -> EndedError | None:
    if isinstance(error, KeyboardInterrupt):
        return EndedError(signal.SIGINT, Left())
    return error if isinstance(error, EndedError) else None


def _report_ended(ended: EndedError, heard: Hearing, *, as_json: bool) -> int:
    """Say that a signal has ended the command, and how that leaves things."""
    heard.is_told = True
    code = "interrupted" if ended.signal == signal.SIGINT else "ended"
    get_log().warning("ended", code=code, exit_code=ended.exit_code)
    how = "Interrupted" if ended.signal == signal.SIGINT else f"Ended by {ended.signal.name}"
    message = f"{how}: {ended.left.found or 'the command was not done'}."
    try:
        if as_json:
            print_json({"event": "error", "code": code, "message": message, "hint": ended.left.hint}, to_stderr=True)
        else:
            print_error(f"{message} {ended.left.hint}".rstrip())
        sys.stdout.flush()
    except OSError:  # the terminal that was closed
        leave_quietly()
    return ended.exit_code


def report_refusal(error: EwsError, *, as_json: bool) -> int:
    """Say an error of ours, with its counts."""
    get_log().error("refused", code=error.code, exit_code=error.exit_code)
    if as_json:
        fields = {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}
        print_json({"event": "error", **fields}, to_stderr=True)
        return error.exit_code
    print_error(f"Error: {error.message}")
    for line in _counts(error.details):
        print_error(f"  {line}")
    if error.hint:
        print_error(f"What to do: {error.hint}")
    return error.exit_code


def report_usage(error: typer.TyperException, *, as_json: bool) -> int:
    """Say what is wrong with the command line."""
    if error.format_message().startswith("Usage: "):  # no verb was given: what is said is the help
        print_error(error.format_message())
        return error.exit_code
    context: typer.Context | None = getattr(error, "ctx", None)
    hint = f"see {context.command_path if context else 'cis-ews'} --help"
    if as_json:
        fields = {"code": "usage", "message": error.format_message(), "hint": hint}
        print_json({"event": "error", **fields}, to_stderr=True)
    else:
        print_error(f"Error: {error.format_message()}\nWhat to do: {hint}")
    return error.exit_code


def report_fault(error: BaseException, *, as_json: bool) -> int:
    """Say that the program failed, with an id that the log has too; the error's own words could quote a value."""
    if isinstance(error, OSError) and error.errno in FULL:
        return _report_full(as_json=as_json)
    error_id = secrets.token_hex(4)
    log_failure(error, error_id=error_id)
    message = f"The program failed unexpectedly (error id {error_id})"
    hint = "look for the id in the log; without a log file, run again with CIS_EWS_LOG__LEVEL=debug"
    if as_json:
        print_json({"event": "error", "code": "unexpected", "message": message, "hint": hint}, to_stderr=True)
    else:
        print_error(f"Error: {message}\nWhat to do: {hint}")
    return UNEXPECTED


def _report_full(*, as_json: bool) -> int:
    """Say that a disk is full, which is no fault of the program: mostly where the output was sent to."""
    leave_quietly()
    hint = "free some space, or send the output elsewhere, and run again"
    return report_refusal(StorageError("cannot write the output: the disk is full", hint=hint), as_json=as_json)


def leave_quietly() -> int:
    """Nobody takes our output any more (`cis-ews ... | head`): no more writing, and no complaint at the end."""
    with suppress(OSError):  # an output that is no file has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _counts(details: Mapping[str, object]) -> list[str]:
    """Details that are counts, largest first: rejected rows by rule, with their first places; unmapped codes."""
    tables = [cast("Mapping[str, object]", value) for value in details.values() if isinstance(value, Mapping)]
    pairs = [(str(name), count) for table in tables for name, count in table.items() if isinstance(count, int)]
    places = cast("Mapping[str, Sequence[str]]", details.get("places", {}))
    return [
        f"{count:>8,}  {name}" + (f": {', '.join(places[name][:PLACES])}" if name in places else "")
        for name, count in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    ]
