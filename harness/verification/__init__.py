"""Two training scripts, run side by side, and their learning rates compared update by update."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from harness.case import Tolerance
from harness.traces.comparing import Comparison, PairVerdict, compare
from harness.traces.trace import Trace
from harness.verification.judging import Counts, judged
from harness.verification.running import TIME_LIMIT, Running, Training, both
from harness.verification.side import FUNCTION, Side, side

__all__ = ["FUNCTION", "TIME_LIMIT", "Side", "Training", "Verification", "side", "verify"]

FIRST_LOOK = 1000
"""Updates after which both are compared for the first time; the next time at twice as many."""


@dataclass(frozen=True)
class Verification:
    """What came of two scripts.

    `stepped` says how the schedule of each is driven, in words; `stopped_early` whether the rest
    was not run because they differ already.
    """

    sides: tuple[Side, Side]
    traces: tuple[Trace, Trace]
    comparison: Comparison
    stepped: tuple[str, str]
    stopped_early: bool = False


def _ignore(*_: object) -> None:
    pass


def verify(
    sides: tuple[Side, Side],
    training: Training,
    time_limit: float = TIME_LIMIT,
    tolerance: Tolerance | None = None,
    fail_fast: bool = False,
    on_progress: Callable[[int, int], None] = _ignore,
    on_look: Callable[[int, Comparison], None] = _ignore,
) -> Verification:
    """Run both to the end, and compare them; by default within what correct ones may be apart.

    `on_progress` is told how many updates each has made, `on_look` what a comparison of the first
    updates says while both go on.

    Raises:
        ScriptUnusable: one of them cannot be run.
        NothingToRun: an interpreter is not there, or lacks its framework.
    """
    next_look, stopped = FIRST_LOOK, False
    with closing(both(sides, training, time_limit)) as turns:
        for one, other in turns:
            on_progress(one.updates, other.updates)
            stopped = _stop_in_vain(one, other) or stopped
            updates = min(one.updates, other.updates)
            if not (one.is_running or other.is_running):
                seen = _seen(one, other)
                break
            if updates >= next_look:
                seen = _seen(one, other, updates)
                comparison = _compared(seen, updates, tolerance, explain=False)
                on_look(updates, comparison)
                next_look = 2 * updates
                if fail_fast and comparison.verdict is PairVerdict.DIFFER:
                    break
    early = one.is_running or other.is_running
    # The processes have ended and their folder is gone before this, which may take long, begins.
    comparison = _compared(seen, training.steps, tolerance)
    if stopped and comparison.verdict is PairVerdict.INCOMPLETE:
        comparison = replace(comparison, diagnosis=None)  # where it ended, says nothing
    stepped = (one.stepped(), other.stepped())
    return Verification(sides, seen.traces, comparison, stepped, stopped_early=early)


@dataclass(frozen=True)
class _Seen:
    """What has been seen of both."""

    traces: tuple[Trace, Trace]
    observed: tuple[Counts, Counts]


def _seen(one: Running, other: Running, updates: int | None = None) -> _Seen:
    return _Seen(
        (one.trace(updates), other.trace(updates)), (one.observed(updates), other.observed(updates))
    )


def _compared(
    seen: _Seen, updates: int, tolerance: Tolerance | None, explain: bool = True
) -> Comparison:
    comparison = compare(*seen.traces, tolerance=tolerance, explain=explain)
    return judged(comparison, seen.traces, seen.observed, updates, derived=tolerance is None)


def _stop_in_vain(one: Running, other: Running) -> bool:
    """Whether one was stopped, since the other has ended long ago.

    As far again it goes on: a list that runs out is often short of an epoch or two, and the other
    tells how many.
    """
    for ended, running in ((one, other), (other, one)):
        far = running.updates > 2 * ended.updates + FIRST_LOOK
        if ended.ended is not None and running.is_running and far:
            running.stop("it was stopped, as the other had ended long before")
            return True
    return False
