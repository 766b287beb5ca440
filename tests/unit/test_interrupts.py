"""What a signal that asks to end does to a command, with real signals that this process sends itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator

import pytest

from cis_ews.interrupts import ENDING, EndedError, Left, hearing, held_back, leaving
from tests.lib.children import child

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
LOADING = """
import os, signal, sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "cis_ews.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupted())
from cis_ews.__main__ import main
main()
"""


@pytest.fixture(autouse=True)
def handlers() -> Generator[None]:
    """As in a new process; what the tests' own runner has set comes back."""
    before = {number: signal.getsignal(number) for number in ENDING}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_each_ends_with_a_shell_s_code_and_what_is_left(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with hearing() as heard, pytest.raises(EndedError) as ended, leaving(lambda: Left("half of it", "go on")):
        signal.raise_signal(number)
    assert heard.ended is ended.value
    assert (ended.value.signal, ended.value.exit_code) == (number, CODES[number])
    assert ended.value.left == Left("half of it", "go on")
    assert signal.getsignal(number) is before


def test_what_is_left_is_that_of_the_first_signal() -> None:
    with hearing() as heard:
        with pytest.raises(EndedError), leaving(lambda: Left("first")):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(EndedError):
            signal.raise_signal(signal.SIGINT)
        assert heard.ended is not None
        assert (heard.ended.signal, heard.ended.left) == (signal.SIGTERM, Left("first"))
        heard.is_told = True
        signal.raise_signal(signal.SIGINT)  # nothing any more


def test_nohup_stays_in_force() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with hearing() as heard:
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert heard.ended is None


def test_another_thread_changes_nothing() -> None:
    found: list[object] = []

    def listen() -> None:
        with hearing():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def test_ctrl_c_by_a_handler_of_a_library_is_told_alike() -> None:
    with pytest.raises(EndedError) as ended, leaving(lambda: Left("half of it")):
        raise KeyboardInterrupt
    assert (ended.value.exit_code, ended.value.left) == (130, Left("half of it"))


@pytest.mark.parametrize("number", ENDING)
def test_what_is_held_back_comes_after(number: signal.Signals) -> None:
    done: list[str] = []

    def start() -> None:
        with held_back():
            assert set(ENDING) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
            signal.raise_signal(number)
            done.append("whole")

    with hearing(), pytest.raises(EndedError):
        start()
    assert done == ["whole"]
    assert not set(ENDING) & signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ctrl_c_while_the_command_line_loads_shows_no_code() -> None:
    with child(LOADING) as process:
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "Interrupted: the command was not begun.\n")
