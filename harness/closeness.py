"""How far numbers are apart, and whether that is let pass: the comparator, on whole sequences.

Arrays are float64 of shape `(n,)`. A due value of NaN means that nothing is said of that step.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.case import Tolerance
from harness.catalogue.model import limits
from harness.reference.arithmetic import Float64

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
    off = error(observed, due, remainder)
    return np.asarray(~np.isnan(due) & ~((off <= allowed) & np.isfinite(off)))


def error(observed: Float64, due: Float64, remainder: Float64 | float = 0.0) -> Float64:
    """|observed - (due + remainder)|; 0 for equal infinities, infinite for a NaN not due.

    `remainder` is what `due` lacks, being a float64.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        # Two floats that are near each other have an exact difference.
        off = np.abs((observed - due) - remainder)
        off = np.where(np.isinf(due) & (observed == due), 0.0, off)
    return np.where(np.isnan(off), np.inf, off)


def contradicts(
    expected: Float64, reference: Float64, allowed: Float64, dtype: DType
) -> NDArray[np.bool_]:
    """Where a case's own numbers contradict the reference model.

    A case may expect an infinity where the rate is beyond the range of `dtype`.
    """
    beyond = np.isinf(expected) & (expected == rounded_if_infinite(reference, dtype))
    return np.asarray(wrong(reference, expected, allowed) & ~beyond)


def tolerated(tolerance: Tolerance, due: Float64, dtype: DType) -> Float64:
    """The case's own allowance, NaN where the case has no number of its own."""
    size = np.where(np.isinf(due), 0.0, np.abs(due))
    with np.errstate(over="ignore"):
        allowed = np.maximum(tolerance.atol or 0.0, (tolerance.rtol or 0.0) * size)
        return np.asarray(np.maximum(allowed, (tolerance.ulp or 0.0) * spacing(size, dtype)))


def rounded(values: Float64, dtype: DType) -> Float64:
    """`values` as `dtype` holds them."""
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(dtype).astype(np.float64))


def rounded_if_infinite(values: Float64, dtype: DType) -> Float64:
    """A rate beyond the range of `dtype` is due as an infinity."""
    narrow = rounded(values, dtype)
    return np.where(np.isinf(narrow), narrow, values)


def spacing(values: Float64, dtype: DType) -> Float64:
    """One unit in the last place of `values` in `dtype`; of 0 for NaN, of the greatest for more.

    >>> spacing(np.array([1.0]), np.dtype("float32")).tolist() == [2.0**-23]
    True
    """
    greatest = limits(dtype).max
    within = np.clip(np.nan_to_num(np.abs(values)), 0, np.nextafter(greatest, dtype.type(0)))
    return np.spacing(within.astype(dtype)).astype(np.float64)
