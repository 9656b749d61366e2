"""The time that a search is given, kept whatever it is doing then."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = 2.0
"""Seconds after which a time that was up is said again: an exception may be lost in a callback."""


class TimeIsUp(BaseException):
    """Ends a search from outside, as an interruption by the keyboard does."""


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raise `TimeIsUp` in the main thread once so many seconds have passed; never without any."""
    if seconds is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), AGAIN)
    try:
        yield
    finally:
        stop_ringing()
        signal.signal(signal.SIGALRM, before)


def stop_ringing() -> None:
    """Let what is left to be done take its time."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _ring(*_: object) -> None:
    raise TimeIsUp
