"""The error allowed at each step, derived from the arithmetic that an implementation does.

Every rounding of a value to a format with unit roundoff u multiplies it by 1 + d, |d| <= u. The
relative error of a chain of such factors is at most exp(sum |d|) - 1 (Higham, Accuracy and
Stability of Numerical Algorithms, 2nd ed., lemma 3.1 and section 3.4). So each term below is a sum
of |d|, and the budget is expm1 of the total, in units of the exact rate. docs/tolerance.md has the
derivation.
"""

from __future__ import annotations

import math

import numpy as np

from harness.catalogue import Call, Form, Implementation, Precision, Training
from harness.reference import Exponential
from harness.reference.elementary import Float64, Int64

POW_ULP = 2.0
"""Accuracy of `pow` in float64, in ULP: twice the worst that was measured (docs/tolerance.md)."""
POW_ULP_FLOAT32 = 2.5
"""Accuracy of `powf`, in ULP: CUDA's, which is up to 2 ULP from the correctly rounded power."""
REFERENCE_ULP = 2.0
"""Accuracy of the reference models, in ULP of float64."""

_U64 = 2.0**-53


def unit_roundoff(precision: Precision) -> float:
    """Half the distance from 1 to the next number.

    >>> unit_roundoff(Precision.FLOAT32) == 2.0**-24
    True
    """
    return float(np.finfo(precision).eps) / 2


def budget(
    schedule: Exponential,
    call: Call,
    training: Training,
    steps: Int64,
    rates: Float64,
    implementation: Implementation,
    stored: Precision | None = None,
) -> Float64:
    """The absolute error allowed at each of `steps`, float64, shape as `steps`.

    Args:
        schedule: the parameters as they stand in the case, exact by definition.
        call: what was passed, which says what was computed on the way to the API.
        training: gives the steps per epoch.
        steps: updates already made.
        rates: the exact rates at `steps`.
        implementation: gives the form, and the precision that it computes in.
        stored: the precision in which the rate was seen, by default that of the computation.
    """
    computed, stored = implementation.precision, stored or implementation.precision
    u = unit_roundoff(computed)
    counts = schedule.counts(steps, training.steps_per_epoch)
    whole = counts // schedule.decay_every
    smooth = schedule.decay_every > 1 and not schedule.staircase
    power = np.asarray(counts / schedule.decay_every if smooth else whole, dtype=np.float64)

    total = np.full(steps.shape, _parameter_rounding(schedule.base_lr, computed))
    smallest = max(float(np.finfo(precision).tiny) for precision in (computed, stored))
    flushed = np.where(np.abs(rates) < 2 * smallest, smallest, 0.0)
    if implementation.form is Form.RECURSIVE:
        multiplications = counts if call.derived else whole
        total += multiplications * u
        total += _times(multiplications, _parameter_rounding(_factor(schedule, call), computed))
        if call.derived:
            total += multiplications * (POW_ULP * 2 * _U64 + _exponent_sensitivity(schedule))
    else:
        pow_ulp = POW_ULP_FLOAT32 if computed is Precision.FLOAT32 else POW_ULP
        total += _times(power, _parameter_rounding(schedule.decay_rate, computed))
        if smooth:
            inexact = (counts > 1 / u).astype(int) + (schedule.decay_every > 1 / u)
            total += (1 + inexact) * u * power * _log(schedule.decay_rate)
        total += pow_ulp * 2 * u + u
        # The power alone may be flushed, before base_lr lifts the product back into the range.
        base = abs(schedule.base_lr)
        lost = np.abs(rates) < 2 * float(np.finfo(computed).tiny) * base
        flushed = np.maximum(flushed, np.where(lost, float(np.finfo(computed).tiny) * base, 0.0))
    if unit_roundoff(stored) > u:
        total += unit_roundoff(stored)
    total += REFERENCE_ULP * 2 * _U64
    return np.where(np.isfinite(rates), _relative(total) * np.abs(rates) + flushed, 0.0)


def numeral_rounding(
    schedule: Exponential, training: Training, steps: Int64, rates: Float64
) -> Float64:
    """How far the schedule that a case means may be from the one that float64 can hold.

    A case says `0.99`, and its author works the expected rates out from that decimal, while every
    implementation is given the nearest float64. Absolute, float64, shape as `steps`.
    """
    power = schedule.counts(steps, training.steps_per_epoch) / schedule.decay_every
    finite = np.where(np.isfinite(rates), np.abs(rates), 0.0)
    return np.asarray(np.minimum(finite * ((1 + power) * _U64), finite))


def _factor(schedule: Exponential, call: Call) -> float:
    """What a recursive form multiplies by, as the schedule means it."""
    return (
        schedule.decay_rate ** (1 / schedule.decay_every) if call.derived else schedule.decay_rate
    )


def _parameter_rounding(value: float, precision: Precision) -> float:
    """What passing `value` in `precision` does to it, as |ln(passed / value)|.

    The parameters are known, so this is no bound but the rounding itself. Infinite for a value that
    becomes zero or infinite.

    >>> _parameter_rounding(0.5, Precision.FLOAT32), _parameter_rounding(1e-50, Precision.FLOAT32)
    (0.0, inf)
    """
    if value == 0:
        return 0.0
    with np.errstate(over="ignore", under="ignore"):
        passed = float(np.dtype(precision).type(value))
    if passed == 0 or math.isinf(passed):
        return math.inf
    return abs(math.log1p((passed - value) / value))


def _times(power: Float64 | Int64, rounding: float) -> Float64:
    """`power * rounding`, where nothing is made of an infinity."""
    return np.where(power > 0, power * rounding if math.isfinite(rounding) else math.inf, 0.0)


def _log(rate: float) -> float:
    return abs(float(np.log(abs(rate)))) if rate else 0.0


def _exponent_sensitivity(schedule: Exponential) -> float:
    """What rounding 1 / decay_every does to decay_rate ** (1 / decay_every)."""
    return _U64 * _log(schedule.decay_rate) / schedule.decay_every


def _relative(total: Float64) -> Float64:
    """The relative error that roundings of this sum make possible; a parameter that is lost
    altogether leaves nothing of the rate, an error of 1."""
    bounded = np.minimum(total, 700.0)  # exp(700) is still a float64
    return np.where(np.isfinite(total), np.expm1(bounded), 1.0)
