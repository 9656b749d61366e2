"""The time that a search is given is kept, whatever it is doing."""

from __future__ import annotations

import queue
import signal
import time

import pytest

from harness.fuzz.clock import TimeIsUp, limited


def test_the_time_ends_a_wait():
    began = time.monotonic()
    with pytest.raises(TimeIsUp), limited(0.1):
        queue.SimpleQueue().get(timeout=30)
    assert time.monotonic() - began < 5


def test_no_handler_of_exceptions_keeps_it_from_ending():
    with pytest.raises(TimeIsUp), limited(0.1):
        try:
            time.sleep(30)
        except Exception:
            pytest.fail("it is no ordinary exception")


def test_who_is_done_in_time_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    with limited(0.2):
        pass
    time.sleep(0.3)
    assert signal.getsignal(signal.SIGALRM) == before


def test_without_a_limit_nothing_rings():
    with limited(None):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
