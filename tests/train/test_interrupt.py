"""A signal is noted and acted on later; a second one at once."""

import os
import signal
import sys
import threading

import pytest

from seekless.train.interrupt import deferred

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


class Ended(BaseException):
    pass


@pytest.fixture
def terminate(monkeypatch):
    """Let SIGTERM raise, as it does in commands."""

    def handle(number, frame):
        raise Ended

    before = signal.signal(signal.SIGTERM, handle)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Ended)])
def test_the_first_is_noted_and_the_second_acts(terminate, number, error):
    before = signal.getsignal(number)
    with deferred() as interrupt:
        assert not interrupt.asked
        interrupt.act()
        os.kill(os.getpid(), number)
        assert interrupt.asked
        with pytest.raises(error):
            interrupt.act()
        with pytest.raises(error):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred() as interrupt:
            os.kill(os.getpid(), signal.SIGINT)
            assert not interrupt.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_changed():
    found = []

    def look():
        with deferred() as interrupt:
            found.append((interrupt.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(False, signal.getsignal(signal.SIGINT))]
