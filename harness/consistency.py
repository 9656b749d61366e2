"""What can be wrong with cases that are well formed, found without any framework."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from harness import closeness
from harness.budget import REFERENCE_ULP, budget
from harness.case import KnownDivergence, ScheduleCase
from harness.case_files import unknown_cases
from harness.catalogue import Precision, Unsupported
from harness.comparison import numerals_of
from harness.errors import Problem
from harness.load import Loaded
from harness.plan import calls_of, implementations_of
from harness.reference.arithmetic import Float64

_FLOAT64 = np.dtype(Precision.FLOAT64)


def inconsistencies(loaded: Loaded, records: Sequence[KnownDivergence] = ()) -> Iterator[Problem]:
    """Numbers that contradict the reference model, and records of cases that there are not.

    Args:
        loaded: the cases to look at.
        records: known divergences that must each concern one of these cases.
    """
    for case in loaded.cases:
        if isinstance(case, ScheduleCase):
            for group in range(len(case.groups) + 1):
                yield from _contradictions(case, group)
    yield from unknown_cases(records, {case.name for case in loaded.cases})


def _contradictions(case: ScheduleCase, group: int) -> Iterable[Problem]:
    """The expected values that not even the widest budget of an implementation would let pass."""
    steps = case.steps_of(group)
    expected, reference = case.expected_of(group), case.reference_of(group)
    if np.isnan(reference).any():
        step = steps[np.flatnonzero(np.isnan(reference))[0]]
        yield Problem(
            case.file,
            case.line,
            f"{case.name}: schedule",
            f"the reference model has no rate at step {step}",
            "correct the schedule",
        )
        return
    if np.isnan(expected).all() or case.expected.documented:
        return
    own = REFERENCE_ULP * closeness.spacing(reference, _FLOAT64)
    if not closeness.contradicts(expected, reference, own, _FLOAT64).any():
        return  # all that follows would only leave more room
    numerals = numerals_of(case, group)
    wrong, allowed = np.ones(len(steps), dtype=bool), np.zeros(len(steps))
    for dtype, derived in _rooms(case, group, own):
        room = derived
        if case.tolerance is not None:
            room = np.fmax(derived, closeness.tolerated(case.tolerance, expected, dtype))
        wrong &= closeness.contradicts(expected, reference, room + numerals, dtype)
        if not wrong.any():
            return
        allowed = np.maximum(allowed, room + numerals)
    for i in np.flatnonzero(wrong):
        yield Problem(
            case.file,
            case.line,
            f"{case.name}: expected.values",
            f"step {steps[i]} is {float(expected[i])!r} here and {float(reference[i])!r} by the "
            f"reference model: error {abs(expected[i] - reference[i]):.3g}, "
            f"allowed {allowed[i]:.3g}",
            "correct the number or the schedule",
        )


def _rooms(
    case: ScheduleCase, group: int, own: Float64
) -> Iterator[tuple[closeness.DType, Float64]]:
    """The budgets of the numbers' author and of each implementation, and in which precision."""
    yield _FLOAT64, own
    schedule, steps = case.courses[group], case.steps_of(group)
    need, reference = case.training_of(group), case.reference_of(group)
    for implementation in implementations_of(case):
        calls = calls_of(case, implementation)
        if not isinstance(calls, Unsupported):
            room = budget(schedule, calls[group], need, steps, reference, implementation)
            yield np.dtype(implementation.precision), room
