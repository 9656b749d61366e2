"""Elementary functions more exact than numpy's, for the reference models.

numpy's `power`, `exp2` and `exp` are off by up to 1.0 to 1.5 ULP, and `power` rounds its exponent
first, which at an exponent of -700 costs hundreds of ULP more. A reference that is to be within
2 ULP after a multiplication needs better.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MAX_COUNT = 2**33
"""The greatest count whose product with 20 bits is exact."""

_DIGITS50 = Context(prec=50)
_LOG2 = _DIGITS50.ln(Decimal(2))
_BEYOND_RANGE = 9999  # a power of two that is infinite or zero in float64, whatever it multiplies

#: 2 ** (j / 32) for j = -16 ... 16, as a float64 and what it lacks.
_POWERS = [_DIGITS50.power(Decimal(2), Decimal(j) / 32) for j in range(-16, 17)]
_TABLE = np.array([float(power) for power in _POWERS])
_TABLE_TAIL = np.array([float(power - Decimal(float(power))) for power in _POWERS])


def scaled_power(scale: float, base: float, count: Int64, parts: int = 1) -> Float64:
    """`scale * |base| ** (count / parts)`, within 1.5 ULP.

    Args:
        scale: finite.
        base: finite; its sign is ignored.
        count: shape `(n,)`, from 0 to `MAX_COUNT`.
        parts: at least 1.

    Returns:
        float64, shape `(n,)`; infinite or zero beyond the range, correctly rounded below the normal
        range.

    >>> scaled_power(0.5, 2.0, np.array([0, 3, 2000]), parts=2).tolist()
    [0.5, 1.4142135623730951, 5.357543035931337e+300]
    """
    octaves, fraction = _times_log2(count, base, parts)
    index = np.rint(fraction * 32)
    small = np.expm1((fraction - index / 32) * math.log(2))
    entry = index.astype(np.intp) + 16
    head = _TABLE[entry]
    mantissa, power = math.frexp(scale)
    with np.errstate(over="ignore", under="ignore"):
        scaled = mantissa * (head + (head * small + _TABLE_TAIL[entry]))
        return np.asarray(np.ldexp(scaled, octaves + np.int32(power)))


def _times_log2(count: Int64, base: float, parts: int) -> tuple[NDArray[np.int32], Float64]:
    """`count * log2(|base|) / parts` as a whole number and a fraction of at most about a half.

    The logarithm is taken once, to 50 digits, and cut into pieces of 20 bits, whose products with
    a count are exact (the argument reduction of Cody and Waite).
    """
    if base == 0:
        return np.where(count > 0, -_BEYOND_RANGE, 0).astype(np.int32), np.zeros(count.shape)
    log2 = _DIGITS50.divide(_DIGITS50.divide(_DIGITS50.ln(Decimal(abs(base))), _LOG2), parts)
    head = _leading_bits(log2)
    middle = _leading_bits(log2 - Decimal(head))
    tail = float(log2 - Decimal(head) - Decimal(middle))
    octaves = np.rint(count * head + count * middle)
    fraction = (count * head - octaves) + count * middle + count * tail
    clipped = np.clip(octaves, -_BEYOND_RANGE, _BEYOND_RANGE)
    return clipped.astype(np.int32), np.where(clipped == octaves, fraction, 0.0)


def _leading_bits(value: Decimal) -> float:
    mantissa, power = math.frexp(float(value))
    return math.ldexp(round(math.ldexp(mantissa, 20)), power - 20)
