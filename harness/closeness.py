"""How far numbers are apart, and whether that is let pass: the comparator, on whole sequences.

Arrays are float64 of shape `(n,)`. A due value of NaN means that nothing is said of that step.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.case import Tolerance
from harness.catalogue.model import limits
from harness.reference.arithmetic import Float64, quiet

_EXPONENT = np.int64(0x7FF0000000000000)
DType: TypeAlias = "np.dtype[np.floating[Any]]"


def wrong(
    observed: Float64, due: Float64, allowed: Float64, remainder: Float64 | float = 0.0
) -> NDArray[np.bool_]:
    """Where `observed` is not as `due + remainder`, bool, shape `(n,)`.

    What is not a number never passes, nor an infinity of the other sign, or none where one is due,
    whatever is allowed.

    >>> wrong(np.array([1.0, np.nan]), np.array([1.1, 1.1]), np.array([0.2, np.inf])).tolist()
    [False, True]
    """
    return not_within(error(observed, due, remainder), due, allowed)


def not_within(error: Float64, due: Float64, allowed: Float64) -> NDArray[np.bool_]:
    """The same, of an error that is known already."""
    return np.asarray(~(((error <= allowed) & (error < np.inf)) | np.isnan(due)))


@quiet
def error(observed: Float64, due: Float64, remainder: Float64 | float = 0.0) -> Float64:
    """|observed - (due + remainder)|; 0 for equal infinities, infinite for a NaN not due.

    `remainder` is what `due` lacks, being a float64.
    """
    # Two floats that are near each other have an exact difference.
    off: Float64 = np.abs((observed - due) - remainder)
    if math.isfinite(np.add.reduce(off)):
        return off
    off = np.where(np.isinf(due) & (observed == due), 0.0, off)
    return np.where(np.isnan(off), np.inf, off)


def alike(observed: Float64, recorded: Float64, allowed: Float64 | float) -> NDArray[np.bool_]:
    """Where `observed` is as it was once, NaN where it was NaN; bool, shape `(n,)`."""
    both_nan = np.isnan(observed) & np.isnan(recorded)
    return np.asarray(both_nan | (error(observed, recorded) <= allowed))


def contradicts(
    expected: Float64, reference: Float64, allowed: Float64, dtype: DType
) -> NDArray[np.bool_]:
    """Where a case's own numbers contradict the reference model.

    A case may expect an infinity where the rate is beyond the range of `dtype`.
    """
    off = wrong(reference, expected, allowed)
    if off.any():
        off &= ~(np.isinf(expected) & (expected == rounded_if_infinite(reference, dtype)))
    return off


@quiet
def tolerated(tolerance: Tolerance, due: Float64, dtype: DType) -> Float64:
    """The case's own allowance, NaN where the case has no number of its own."""
    size = np.where(np.isinf(due), 0.0, np.abs(due))
    allowed = np.maximum(tolerance.atol or 0.0, (tolerance.rtol or 0.0) * size)
    return np.asarray(np.maximum(allowed, (tolerance.ulp or 0.0) * spacing(size, dtype)))


@quiet
def rounded(values: Float64, dtype: DType) -> Float64:
    """`values` as `dtype` holds them."""
    return np.asarray(values.astype(dtype).astype(np.float64))


def rounded_if_infinite(values: Float64, dtype: DType) -> Float64:
    """A rate beyond the range of `dtype` is due as an infinity."""
    narrow = rounded(values, dtype)
    beyond = np.isinf(narrow)
    return np.where(beyond, narrow, values) if beyond.any() else values


def spacing(values: Float64, dtype: DType) -> Float64:
    """One unit in the last place of `values` in `dtype`; of 0 for NaN, of the greatest for more.

    >>> spacing(np.array([1.0, 0.1, np.nan]), np.dtype("float32")).tolist()
    [1.1920928955078125e-07, 7.450580596923828e-09, 1.401298464324817e-45]
    """
    below, eps, smallest = _bounds(dtype)
    held = rounded(np.fmin(np.fmax(np.abs(values), 0.0), below), dtype)
    # The power of two that a float64 has as its exponent, which counts for nothing in 0.
    power = (held.view(np.int64) & _EXPONENT).view(np.float64)
    return np.maximum(power * eps, smallest)


@cache
def _bounds(dtype: DType) -> tuple[float, float, float]:
    """The greatest number but one, the spacing at 1, and the smallest number."""
    bounds = limits(dtype)
    below = np.nextafter(bounds.max, dtype.type(0))
    return float(below), float(bounds.eps), float(bounds.smallest_subnormal)
