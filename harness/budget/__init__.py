"""The error allowed at each step, derived from the arithmetic that an implementation does.

`Rounding` evaluates the family's formula, or its recursion, together with its error bound; here it
is made a budget. docs/tolerance.md has the derivation.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from harness.budget.held import best
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
from harness.catalogue.model import limits
from harness.reference import Schedule
from harness.reference.arithmetic import Float64, Int64
from harness.reference.schedule import Chain

__all__ = [
    "COS_ULP",
    "OPTIMIZER_ROUNDINGS",
    "POW_ULP",
    "POW_ULP_FLOAT32",
    "REFERENCE_ULP",
    "best",
    "budget",
    "computed",
    "numeral_rounding",
    "seen",
    "unit_roundoff",
]

REFERENCE_ULP = 2.0
"""Accuracy of a case's own numbers, and of a reference rate that is not known more exactly."""
OPTIMIZER_ROUNDINGS = 6
"""Operations of an optimizer other than plain SGD between the rate and the weight's movement."""
_U64 = 2.0**-53
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
    error = _errors(evaluated, counts, n, recursive and evaluated.chainable, as_text)
    # What was worked out on the way to the API is off by one rounding of the greatest rate.
    greatest = max(abs(evaluated.base_lr), float(np.abs(rates).max(initial=0)))
    error = error + len(call.derived) * 2 * _U64 * (greatest if math.isfinite(greatest) else 0)
    if training.changes:
        changed = _changed(evaluated, training, steps, n, recursive and evaluated.chainable)
        before = zip(steps.tolist(), error.tolist(), strict=True)
        error = np.array([changed.get(step, known) for step, known in before])
    # Where a recursion leaves the range, nothing is known of how far off it is.
    return np.nan_to_num(error, nan=np.inf, posinf=np.inf)


def seen(
    error: Float64, rates: Float64, computed: Precision, stored: Precision, moved_by: str = "SGD"
) -> Float64:
    """The budget of a rate that is off by `error` as it is computed, and then stored and seen."""
    with np.errstate(over="ignore", invalid="ignore"):
        relative = 0.0
        if moved_by != "SGD":
            relative += OPTIMIZER_ROUNDINGS * unit_roundoff(stored)
        if unit_roundoff(stored) > unit_roundoff(computed):
            relative += unit_roundoff(stored)
        smallest = max(float(limits(precision).tiny) for precision in (computed, stored))
        flushed = np.where(np.abs(rates) < 2 * smallest, smallest, 0.0)
        more = relative * (np.abs(rates) + error) if relative else 0.0
        return np.where(np.isfinite(rates), error + more + flushed, 0.0)


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
    return np.minimum(np.nan_to_num(error, nan=0.0) + REFERENCE_ULP * 2 * _U64 * finite, finite)


def _errors(
    schedule: Schedule, counts: Int64, n: Rounding, recursive: bool, as_text: float
) -> Float64:
    if not recursive:
        return _of_formula(schedule, counts, n)
    last = int(counts.max(initial=0))
    first = schedule.closed(np.array([0]), n)
    exact = schedule.rates(np.arange(last + 1), 1)
    chain = schedule.chain(np.arange(1, last + 1), n) if last else None
    errors = _along(chain, exact, float(first.error.max()), n.tiny, as_text)
    return np.array(errors)[counts]


def _of_formula(schedule: Schedule, counts: Int64, n: Rounding) -> Float64:
    """The error of the formula at each count, shape as `counts`."""
    error = np.empty(counts.shape)
    for here in schedule.stretches(counts):
        error[here] = schedule.closed(counts[here], n).error
    return error


def _along(
    chain: Chain[Rounded] | None, exact: Float64, error: float, tiny: float, as_text: float
) -> list[float]:
    """The error at each count, from that at the first on."""
    rates = exact.tolist()
    errors = [error + (tiny if abs(rates[0]) < 2 * tiny else 0.0)]
    for i, link in enumerate(_links(chain, len(exact) - 1, tiny)):
        errors.append(_following(link, errors[-1], rates[i], rates[i + 1], as_text))
    return errors


_Link: TypeAlias = tuple[float, ...]
"""Roundoff, the smallest normal number; then scale, center and shift, each with its error."""


def _links(chain: Chain[Rounded] | None, length: int, tiny: float) -> list[_Link]:
    if chain is None:
        return []
    terms = (chain.scale, chain.center, chain.shift)
    columns = (np.broadcast_to(x, length).tolist() for t in terms for x in (t.value, t.error))
    return [(chain.scale.roundoff, tiny, *link) for link in zip(*columns, strict=True)]


def _following(
    link: _Link, error: float, rate: float, following: float, as_text: float = 0.0
) -> float:
    """What a link does to the error before, and its own rounding."""
    u, tiny, s, es, c, ec, h, eh = link
    if s == 1 and es == h == eh == 0:
        return error  # this link leaves the rate alone
    distance = abs(rate - c)
    off = error + as_text * abs(rate) + ec + (u * distance if c else 0.0)
    error = off * abs(s) + distance * es + off * es
    if s or es:
        error += u * (abs(s) * distance + error)
    error += ec + eh
    if (s or es) and (c or h):
        error += u * (abs(following) + error)
    # What was flushed to zero, or has lost digits there, may come back.
    return error + (tiny if abs(following) < 2 * tiny else 0.0)


def _changed(
    schedule: Schedule, training: Training, steps: Int64, n: Rounding, recursive: bool
) -> dict[int, float]:
    """The errors from the first rate on that somebody sets: it is rounded, and gone on from."""
    every, last = training.steps_per_epoch, int(steps.max(initial=0))
    counts = schedule.counts(np.arange(last + 1), every)
    rates = schedule.changed(np.arange(last + 1), every, training.changes).tolist()
    anew = _of_formula(schedule, counts, n).tolist()
    errors, error, links = {}, 0.0, list[_Link]()
    for step in range(min(training.changes), last + 1):
        count = int(counts[step])
        if step in training.changes:
            error = float(n.parameter(training.changes[step]).error)
            if recursive and counts[-1]:
                found = schedule.found(count, training.changes[step])
                following = np.arange(1, int(counts[-1]) + 1)
                links = _links(found.chain(following, n), len(following), n.tiny)
        elif count != counts[step - 1]:
            error = (
                _following(links[count - 1], error, rates[step - 1], rates[step])
                if links
                else anew[step]
            )
        errors[step] = error
    return errors
