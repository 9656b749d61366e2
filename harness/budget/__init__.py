"""The error allowed at each step, derived from the arithmetic that an implementation does.

`Rounding` evaluates the family's formula, or its recursion, together with its error bound; here it
is made a budget. docs/tolerance.md has the derivation.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from harness import closeness
from harness.budget.held import best, holds_all
from harness.budget.rounding import (
    COS_ULP,
    POW_ULP,
    POW_ULP_FLOAT32,
    Numerals,
    Rounded,
    Rounding,
    unit_roundoff,
)
from harness.catalogue import Call, Form, Implementation, Precision, Training
from harness.catalogue.model import smallest_normal
from harness.reference import Schedule
from harness.reference.arithmetic import Float64, Int64, quiet
from harness.reference.schedule import Chain

__all__ = [
    "COS_ULP",
    "OPTIMIZER_ROUNDINGS",
    "POW_ULP",
    "POW_ULP_FLOAT32",
    "REFERENCE_ULP",
    "ROOM_ULP",
    "best",
    "budget",
    "computed",
    "holds_all",
    "numeral_rounding",
    "room",
    "seen",
    "unit_roundoff",
]

REFERENCE_ULP = 2.0
"""Accuracy of a case's own numbers, and of a reference rate that is not known more exactly."""
ROOM_ULP = 4.0
"""What a rate that was once observed may differ by on another machine, where no budget is known:
the functions of two C libraries are at most 2.5 ULP each from the exact value."""
OPTIMIZER_ROUNDINGS = 6
"""Operations of an optimizer other than plain SGD between the rate and the weight's movement."""
_U64 = 2.0**-53
_MANY = 256
"""Links from which on numpy is faster than Python."""
_READ_AS_TEXT = {"mindspore.train.LearningRateScheduler"}
"""Who reads the rate before from printed digits: they identify it, to another half unit."""
_WITHOUT_CLOSED_FORM = {"MultiplicativeLR", "SWALR"}
"""Schedulers that go on from the rate before where others evaluate the argument of step(epoch)."""


def budget(
    schedule: Schedule,
    call: Call,
    training: Training,
    steps: Int64,
    rates: Float64,
    implementation: Implementation,
    stored: Precision | None = None,
    applied: bool = False,
) -> Float64:
    """The absolute error allowed at each of `steps`, float64, shape as `steps`.

    Args:
        schedule: the parameters as they stand in the case, exact by definition.
        call: what was passed, which says what was computed on the way to the API.
        training: gives the steps per epoch, the optimizer, and how it is stepped.
        steps: updates already made, increasing.
        rates: the exact rates at `steps`.
        implementation: gives the form, and the precision that it computes in.
        stored: the precision in which the rate was seen, by default that of the computation.
        applied: whether it was seen in a weight that an optimizer moved.
    """
    error = computed(schedule, call, training, steps, rates, implementation)
    moved_by = training.optimizer if applied else "SGD"
    precision = implementation.precision
    return seen(error, rates, precision, stored or precision, moved_by)


@quiet
def computed(
    schedule: Schedule,
    call: Call,
    training: Training,
    steps: Int64,
    rates: Float64,
    implementation: Implementation,
) -> Float64:
    """What the implementation's own arithmetic may do, before anybody sees the rate."""
    precision = implementation.precision
    goes_on = (
        training.stepping == "plain"
        or implementation.api.rpartition(".")[2] in _WITHOUT_CLOSED_FORM
    )
    recursive = implementation.form is Form.RECURSIVE and goes_on
    n, counts = Rounding(precision), schedule.counts(steps, training.steps_per_epoch)
    evaluated = call.realises or schedule
    as_text = unit_roundoff(precision) if implementation.api in _READ_AS_TEXT else 0.0
    known = rates if evaluated is schedule and not training.changes else None
    recursion = _of_recursion(evaluated, counts, n, as_text, known) if recursive else None
    recursive = recursion is not None
    error = _of_formula(evaluated, counts, n) if recursion is None else recursion
    # What was worked out on the way to the API is off by one rounding of the greatest rate.
    greatest = max(abs(evaluated.base_lr), float(np.abs(rates).max(initial=0)))
    error = error + len(call.derived) * 2 * _U64 * (greatest if math.isfinite(greatest) else 0)
    if training.changes:
        changed = _changed(evaluated, training, steps, n, recursive)
        before = zip(steps.tolist(), error.tolist(), strict=True)
        error = np.array([changed.get(step, unchanged) for step, unchanged in before])
    # Where a recursion leaves the range, nothing is known of how far off it is.
    return np.where(np.isnan(error), np.inf, error)


@quiet
def seen(
    error: Float64, rates: Float64, computed: Precision, stored: Precision, moved_by: str = "SGD"
) -> Float64:
    """The budget of a rate that is off by `error` as it is computed, and then stored and seen."""
    relative = 0.0
    if moved_by != "SGD":
        relative += OPTIMIZER_ROUNDINGS * unit_roundoff(stored)
    if unit_roundoff(stored) > unit_roundoff(computed):
        relative += unit_roundoff(stored)
    smallest = max(smallest_normal(computed), smallest_normal(stored))
    flushed = np.where(np.abs(rates) < 2 * smallest, smallest, 0.0)
    more = relative * (np.abs(rates) + error) if relative else 0.0
    return np.where(np.isfinite(rates), error + more + flushed, 0.0)


def room(rates: Float64, computed: Precision, stored: Precision, moved_by: str = "SGD") -> Float64:
    """How far from rates that were once observed those of another machine may be."""
    last_places = ROOM_ULP * closeness.spacing(rates, np.dtype(stored))
    return seen(last_places, rates, computed, stored, moved_by)


@quiet
def numeral_rounding(
    schedule: Schedule, training: Training, steps: Int64, rates: Float64
) -> Float64:
    """How far a case's own numbers may be from the schedule that float64 can hold.

    A case says `0.99`, and its author works the expected rates out from that decimal, while every
    implementation is given the nearest float64. The numbers themselves are float64 too, and may be
    off by 2 ULP. Absolute, float64, shape as `steps`.
    """
    counts = schedule.counts(steps, training.steps_per_epoch)
    finite = np.where(np.isfinite(rates), np.abs(rates), 0.0)
    error = _of_formula(schedule, counts, Numerals())
    return np.fmin(error + REFERENCE_ULP * 2 * _U64 * finite, finite)


def _of_formula(schedule: Schedule, counts: Int64, n: Rounding) -> Float64:
    """The error of the formula at each count, shape as `counts`."""
    error = np.empty(counts.shape)
    for here in schedule.stretches(counts):
        error[here] = schedule.closed(counts[here], n).error
    return error


def _of_recursion(
    schedule: Schedule, counts: Int64, n: Rounding, as_text: float, known: Float64 | None
) -> Float64 | None:
    """The error of the recursion at each count, shape as `counts`; None where the family has none.

    `known` are the exact rates at `counts`, if the caller has them.
    """
    last = int(counts.max(initial=0))
    if not last and not schedule.chainable:
        return None
    all_counts = np.arange(last + 1)
    if known is not None and np.array_equal(counts, all_counts):
        rates = known
    else:
        rates = schedule.rates(all_counts, 1)
    grown, added = np.empty(last), np.empty(last)
    for here in schedule.stretches(all_counts[1:]):
        chain = schedule.chain(all_counts[1:][here], n)
        if chain is None:
            return None
        before, after = rates[:-1][here], rates[1:][here]
        grown[here], added[here] = _linked(chain, before, after, n.tiny, as_text)
    first = float(np.max(schedule.closed(all_counts[:1], n).error))
    first += n.tiny if abs(rates[0]) < 2 * n.tiny else 0.0
    return _along(grown, added, first)[counts]


def _linked(
    chain: Chain[Rounded], before: Float64, after: Float64, tiny: float, as_text: float = 0.0
) -> tuple[Float64, Float64]:
    """What each link does to an error `e`: it makes `grown * e + added` of it.

    Args:
        chain: the links.
        before: the exact rates that they start from, float64, shape `(n,)` as what is returned.
        after: those that they lead to.
        tiny: the smallest normal number.
        as_text: what reading the rate before from printed digits does to it, relatively.
    """
    u = chain.scale.roundoff
    s, es, c, ec, h, eh = (
        x for term in (chain.scale, chain.center, chain.shift) for x in (term.value, term.error)
    )
    distance, moves = abs(before - c), (s != 0) | (es != 0)
    shifts = moves & ((c != 0) | (h != 0))
    grown = abs(s) + es
    off = as_text * abs(before) + ec + np.where(c != 0, u * distance, 0.0)
    added = off * grown + distance * es
    of_product, of_sum = np.where(moves, u, 0.0), np.where(shifts, u, 0.0)
    added = added * (1 + of_product) + of_product * abs(s) * distance + (ec + eh)
    added = added * (1 + of_sum) + of_sum * abs(after)
    # What was flushed to zero, or has lost digits there, may come back.
    added = added + np.where(abs(after) < 2 * tiny, tiny, 0.0)
    still = np.broadcast_to((s == 1) & (es == 0) & (h == 0) & (eh == 0), after.shape)
    return (
        np.where(still, 1.0, grown * (1 + of_product) * (1 + of_sum)),
        np.where(still, 0.0, added),
    )


def _along(grown: Float64, added: Float64, error: float) -> Float64:
    """`error`, and what each link in turn makes of the one before, shape `(links + 1,)`.

    Of many links, equal parts are gone through side by side, as what they make of any error.
    """
    if len(grown) < _MANY:
        errors = [error]
        for factor, more in zip(grown.tolist(), added.tolist(), strict=True):
            before = errors[-1]
            errors.append(factor * before + more if before else more)
        return np.array(errors)
    parts = math.isqrt(len(grown))
    padding = (0, -len(grown) % parts)
    factors = np.pad(grown, padding, constant_values=1.0).reshape(parts, -1).T.copy()
    sums = np.pad(added, padding).reshape(parts, -1).T.copy()
    for before, link in pairwise(range(len(factors))):
        sums[link] += factors[link] * sums[before]
        factors[link] *= factors[before]
    starts = _along(factors[-1], sums[-1], error)[:-1]
    errors = sums + np.where(starts == 0, 0.0, factors * starts)
    return np.append(error, errors.T.ravel()[: len(grown)])


def _changed(
    schedule: Schedule, training: Training, steps: Int64, n: Rounding, recursive: bool
) -> dict[int, float]:
    """The errors from the first rate on that somebody sets: it is rounded, and gone on from."""
    every, last = training.steps_per_epoch, int(steps.max(initial=0))
    counts = schedule.counts(np.arange(last + 1), every)
    rates = schedule.changed(np.arange(last + 1), every, training.changes)
    anew = _of_formula(schedule, counts, n).tolist()
    errors, error, grown, added = {}, 0.0, list[float](), list[float]()
    for step in range(min(training.changes), last + 1):
        count = int(counts[step])
        if step in training.changes:
            error = float(n.parameter(training.changes[step]).error)
            if recursive and counts[-1]:
                found = schedule.found(count, training.changes[step])
                links = found.chain(np.maximum(counts[1:], 1), n)
                assert links is not None
                grown, added = (x.tolist() for x in _linked(links, rates[:-1], rates[1:], n.tiny))
        elif count != counts[step - 1]:
            error = grown[step - 1] * error + added[step - 1] if grown else anew[step]
        errors[step] = error
    return errors
