"""One observed sequence, held against the reference model and against the case's own numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import closeness
from harness.budget import (
    REFERENCE_ULP,
    best,
    computed,
    holds_all,
    numeral_rounding,
    seen,
    unit_roundoff,
)
from harness.case import CONSTRUCTION, Course, ScheduleCase
from harness.catalogue import Implementation, Precision
from harness.observation import Observation, Sequence
from harness.plan import Trial
from harness.reference import Schedule
from harness.reference.arithmetic import Float64, Int64, quiet
from harness.reference.exact import Exact
from harness.reference.line import LONGEST

REPORTED, APPLIED = "reported", "applied"


@dataclass(frozen=True)
class Extreme:
    """The greatest of something over a sequence, and the step where it occurs."""

    value: float
    step: int


@dataclass(frozen=True)
class Deviation:
    """One value that is not as due.

    `against` says what it was held against: `expected`, the case's own number, or `reference`.
    `observed` is None where a value is missing.
    """

    sequence: str
    step: int
    against: str
    due: float
    observed: float | None
    error: float
    allowed: float

    def __str__(self) -> str:
        if self.observed is None:
            return f"{self.sequence} rate at step {self.step}: missing, {self.due!r} was due"
        return (
            f"{self.sequence} rate at step {self.step}: {self.against} {self.due!r}, "
            f"observed {self.observed!r}, error {self.error:.3g}, allowed {self.allowed:.3g}"
        )


@dataclass(frozen=True)
class Comparison:
    """One sequence held against what was due, step by step.

    `seen_in` names the dtype in which it was seen, `precision` the one whose units are used.

    The arrays have one entry for each step that was asked for and answered; `expected` is NaN where
    the case gives no number of its own. `allowed` is the error against the reference that is let
    pass, `allowed_expected` that of the case's own numbers. Extremes are None where no value could
    be compared. `diverging` has the steps that are judged and not as due; `unlike` says of each
    value whether it is not as due, also where a documentation's numbers alone are judged and there
    is none, and the reference model says what is due.

    Two errors are told apart. `absolute`, `relative`, `ulp` and `share` are of the distance from
    what was asked for, the exact rate; `remainder` is what `reference` lacks of it. `signed_ulp`
    has the least and the greatest such error with their signs, where all are finite. `from_best`,
    in ULP, is of the distance from `best`: what exact arithmetic makes of the parameters as the
    implementation holds them, rounded to `precision`. It is None where nothing of that is known.
    """

    name: str
    seen_in: str
    precision: Precision
    steps: Int64
    observed: Float64
    reference: Float64
    remainder: Float64
    best: Float64
    expected: Float64
    allowed: Float64
    allowed_expected: Float64
    length: int
    first: Deviation | None
    diverging: Int64
    unlike: NDArray[np.bool_]
    absolute: Extreme | None
    relative: Extreme | None
    ulp: Extreme | None
    share: Extreme | None
    from_best: Extreme | None
    signed_ulp: tuple[float, float] | None

    @property
    def is_judged(self) -> bool:
        """Whether anything is due of the sequence."""
        return not np.isnan(self.reference).all()


def group_of(name: str) -> int:
    """The parameter group that a sequence is of: `applied` of group 0, `applied 1` of group 1."""
    _, _, number = name.partition(" ")
    return int(number or 0)


def precision_due(implementation: Implementation, name: str) -> Precision:
    """The precision in which an implementation is known to give the sequence of that name."""
    reported = name.startswith(REPORTED)
    return implementation.precision if reported else implementation.applied_precision


def units_of(sequence: Sequence, implementation: Implementation, name: str) -> Precision:
    """The precision in whose units a sequence is judged: its own, if that is one we know."""
    known = (precision for precision in Precision if precision == sequence.precision)
    return next(known, precision_due(implementation, name))


@dataclass(frozen=True)
class Due:
    """What is due of one parameter group of a trial, step by step.

    `remainder` is what `reference` lacks of the exact rate; `best` is the rate of the parameters as
    the implementation holds them. `error` is what the implementation's own arithmetic may do;
    `numerals` what the rounding of the case's decimals and of its own numbers does.
    """

    steps: Int64
    reference: Float64
    remainder: Float64
    best: Float64
    expected: Float64
    error: Float64
    numerals: Float64


def due(trial: Trial, case: ScheduleCase, group: int) -> Due:
    """Work out what is due; the same for both sequences of the group."""
    if trial.call is None:
        raise ValueError(f"{trial.id} has no call to derive a budget from")
    schedule, training, steps = case.courses[group], case.training_of(group), case.steps_of(group)
    call, reference = (trial.call, *trial.groups)[group], case.reference_of(group)
    remainder = case.remainder_of(group)
    error = computed(schedule, call, training, steps, reference, trial.implementation)
    unknown = np.isnan(remainder) & np.isfinite(reference)
    error[unknown] += REFERENCE_ULP * np.spacing(np.abs(reference[unknown]))
    return Due(
        steps,
        reference,
        np.where(np.isnan(remainder), 0.0, remainder),
        reference
        if holds_all(call, trial.implementation) and case.is_held(group)
        else best(schedule, call, training, steps, trial.implementation),
        case.expected_of(group),
        error,
        numerals_of(case, group),
    )


def numerals_of(case: ScheduleCase, group: int) -> Float64:
    """`numeral_rounding` of a group of a case, the same for each implementation.

    Not to be written to.
    """
    course = case.course_of(group)
    return (_numerals if course.is_long else _few_numerals)(course)


def _numerals(course: Course) -> Float64:
    case, group = course.case, course.group
    training, steps = case.training_of(group), case.steps_of(group)
    return numeral_rounding(case.courses[group], training, steps, case.reference_of(group))


@lru_cache(maxsize=4096)
def _few_numerals(course: Course) -> Float64:
    numerals = _numerals(course)
    numerals.flags.writeable = False
    return numerals


@quiet
def compare(
    trial: Trial,
    case: ScheduleCase,
    name: str,
    sequence: Sequence,
    what: Due,
    ended: bool = False,
) -> Comparison:
    """Hold one sequence of a trial against what was due.

    What is missing diverges, unless an exception was due and has `ended` the trial.
    """
    length = min(len(what.steps), len(sequence.values))
    # A weight of float64 shows a rate of float16 exactly: the coarser of both has its units.
    precision = max(
        units_of(sequence, trial.implementation, name),
        trial.implementation.precision,
        key=unit_roundoff,
    )
    parts = [
        _stretch(trial, case, name, sequence, what, precision, slice(start, end))
        for start in range(0, max(length, 1), LONGEST)
        for end in [min(start + LONGEST, length)]
    ]
    compared = _joined(parts, what, sequence.values) if len(parts) > 1 else parts[0]
    missing = what.steps[length:]
    if ended or not len(missing):
        return compared
    due = float(what.reference[length])
    first = Deviation(name, int(missing[0]), "reference", due, None, np.inf, 0.0)
    return replace(
        compared,
        diverging=np.append(compared.diverging, missing),
        first=compared.first or first,
    )


def instead_of(trial: Trial, schedule: Schedule, comparison: Comparison) -> Comparison:
    """The same sequence held against another schedule, with the budget of its own arithmetic."""
    case = trial.case
    if not isinstance(case, ScheduleCase) or trial.call is None:
        raise ValueError(f"{trial.id} has no schedule")
    training, steps = case.training_of(group_of(comparison.name)), comparison.steps
    call = replace(trial.call, realises=None, derived=frozenset())
    rates, remainder = schedule.known(steps, training.steps_per_epoch, training.changes, Exact())
    what = Due(
        steps,
        rates,
        np.where(np.isnan(remainder), 0.0, remainder),
        rates,
        np.full(len(steps), np.nan),
        computed(schedule, call, training, steps, rates, trial.implementation),
        np.zeros(len(steps)),
    )
    sequence = Sequence(comparison.seen_in, comparison.observed)
    return compare(trial, case, comparison.name, sequence, what, ended=True)


def unjudged(trial: Trial, case: ScheduleCase, name: str, sequence: Sequence) -> Comparison:
    """A sequence of which nothing is due, as a comparison with nothing."""
    steps = case.steps_of(group_of(name))[: len(sequence.values)]
    observed = sequence.values[: len(steps)]
    nothing = np.full(len(steps), np.nan)
    return Comparison(
        name=name,
        seen_in=sequence.precision,
        precision=units_of(sequence, trial.implementation, name),
        steps=steps,
        observed=observed,
        reference=nothing,
        remainder=nothing,
        best=nothing,
        expected=nothing,
        allowed=nothing,
        allowed_expected=nothing,
        length=len(sequence.values),
        first=None,
        diverging=steps[:0],
        unlike=np.zeros(len(steps), dtype=bool),
        absolute=None,
        relative=None,
        ulp=None,
        share=None,
        from_best=None,
        signed_ulp=None,
    )


def steps_reached(case: ScheduleCase, observation: Observation) -> int | str:
    """Where a trial ended: the first step whose rate was not reached, or at construction.

    The step after the last, if an exception came after all rates had been seen.
    """
    if not observation.sequences:
        return CONSTRUCTION
    ends = []
    for name, sequence in observation.sequences.items():
        steps = case.steps_of(group_of(name))
        there = len(sequence.values)
        ends.append(int(steps[there]) if there < len(steps) else int(steps[-1]) + 1)
    return min(ends)


def _stretch(
    trial: Trial,
    case: ScheduleCase,
    name: str,
    sequence: Sequence,
    what: Due,
    precision: Precision,
    here: slice,
) -> Comparison:
    """The comparison at some steps, for whose numbers the processor's cache has room."""
    dtype = np.dtype(precision)
    steps, reference, remainder = what.steps[here], what.reference[here], what.remainder[here]
    observed, expected, numerals = sequence.values[here], what.expected[here], what.numerals[here]

    moved_by = trial.training.optimizer if name.startswith(APPLIED) else "SGD"
    computed_in = trial.implementation.precision
    allowance = seen(what.error[here], reference, computed_in, precision, moved_by)
    against_expected, against_reference = allowance + numerals, allowance
    due_expected = closeness.rounded_if_infinite(expected, dtype)
    if case.tolerance is not None:
        against_expected = closeness.tolerated(case.tolerance, expected, dtype)
        against_reference = np.fmax(allowance, against_expected)
        if case.tolerance.ulp is not None:
            due_expected = closeness.rounded(expected, dtype)
    due_reference = closeness.rounded_if_infinite(reference, dtype)

    error = closeness.error(observed, due_reference, remainder)
    off_expected = closeness.error(observed, due_expected)
    wrong_expected = closeness.not_within(off_expected, due_expected, against_expected)
    wrong_reference = closeness.not_within(error, due_reference, against_reference)
    if case.expected.documented is None:
        unlike = wrong = wrong_expected | wrong_reference
    else:
        wrong = wrong_expected
        unlike = np.where(np.isnan(expected), wrong_reference, wrong_expected)
    first = None
    if wrong.any():
        at = int(np.argmax(wrong))
        against, due, off, allowed = (
            ("expected", due_expected, off_expected, against_expected)
            if wrong_expected[at]
            else ("reference", due_reference, error, against_reference)
        )
        numbers = (float(values[at]) for values in (due, observed, off, allowed))
        first = Deviation(name, int(steps[at]), against, *numbers)

    attainable = closeness.rounded(what.best[here], dtype)
    ulp = error / closeness.spacing(reference, dtype)
    relative, share = error / abs(reference), error / against_reference
    exact = error == 0
    if exact.any():
        relative, share = np.where(exact, 0.0, relative), np.where(exact, 0.0, share)
    from_best = closeness.error(observed, attainable) / closeness.spacing(attainable, dtype)
    signed = np.where(exact, 0.0, np.copysign(ulp, (observed - due_reference) - remainder))
    return Comparison(
        name=name,
        seen_in=sequence.precision,
        precision=precision,
        steps=steps,
        observed=observed,
        reference=reference,
        remainder=remainder,
        best=attainable,
        expected=expected,
        allowed=against_reference,
        allowed_expected=against_reference + numerals,
        length=len(sequence.values),
        first=first,
        diverging=steps[wrong],
        unlike=unlike,
        absolute=_extreme(error, steps),
        relative=_extreme(relative, steps),
        ulp=_extreme(ulp, steps),
        share=_extreme(share, steps),
        from_best=None if np.isnan(attainable).any() else _extreme(from_best, steps),
        signed_ulp=(float(signed.min()), float(signed.max()))
        if len(signed) and np.isfinite(ulp).all()
        else None,
    )


def _joined(parts: list[Comparison], what: Due, observed: Float64) -> Comparison:
    """Comparisons at stretches that follow each other, as one."""

    def together(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    def greatest(name: str) -> Extreme | None:
        extremes = [getattr(part, name) for part in parts]
        return None if None in extremes else max(extremes, key=_size)

    ends = [part.signed_ulp for part in parts]
    length = sum(len(part.steps) for part in parts)
    return replace(
        parts[0],
        steps=what.steps[:length],
        observed=observed[:length],
        reference=what.reference[:length],
        remainder=what.remainder[:length],
        expected=what.expected[:length],
        best=together("best"),
        allowed=together("allowed"),
        allowed_expected=together("allowed_expected"),
        diverging=together("diverging"),
        unlike=together("unlike"),
        first=next((part.first for part in parts if part.first), None),
        absolute=greatest("absolute"),
        relative=greatest("relative"),
        ulp=greatest("ulp"),
        share=greatest("share"),
        from_best=greatest("from_best"),
        signed_ulp=None
        if None in ends
        else (min(end[0] for end in ends if end), max(end[1] for end in ends if end)),
    )


def _extreme(values: Float64, steps: Int64) -> Extreme | None:
    if not len(values):
        return None
    at = int(np.argmax(values))
    if np.isnan(values[at]):  # as great as an infinity: the first of both counts
        at = int(np.argmax(np.isnan(values) | np.isposinf(values)))
    return Extreme(float(values[at]), int(steps[at]))


def _size(extreme: Extreme) -> float:
    return np.inf if np.isnan(extreme.value) else extreme.value


def contradictions(comparison: Comparison) -> list[str]:
    """Where the case's own numbers contradict the reference model by more than is allowed.

    The allowance is that of the trial, so a number that is good enough for float32 only is broken
    for a float64 implementation, and the case has to say for whom it is.
    """
    expected, reference = comparison.expected, comparison.reference
    nothing = np.flatnonzero(np.isnan(reference))
    if len(nothing):
        return [f"the reference model has no rate at step {comparison.steps[nothing[0]]}"]
    allowed, dtype = comparison.allowed_expected, np.dtype(comparison.precision)
    return [
        f"the case expects {float(expected[i])!r} at step {comparison.steps[i]}, where the "
        f"reference model says {float(reference[i])!r} and {float(comparison.observed[i])!r} was "
        f"reported: error {abs(expected[i] - reference[i]):.3g}, allowed {allowed[i]:.3g}"
        for i in np.flatnonzero(closeness.contradicts(expected, reference, allowed, dtype))
    ]
