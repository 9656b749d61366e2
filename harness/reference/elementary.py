"""Exponentials, logarithms and cosines of double-double numbers, the same to the bit everywhere.

Nothing here asks the platform's mathematical library, nor numpy's own kernels, which give other
last bits on other processors: only sums, products, quotients, roundings to whole numbers, and
tables whose entries come from 50-digit arithmetic. Each function takes its argument to the nearest
entry of a table and a short series over what is left (Tang, *Table-lookup algorithms for elementary
functions and their error analysis*, 1991).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal
from functools import cache, lru_cache
from typing import Any

import numpy as np

from harness.reference.arithmetic import Float64, Int64, quiet
from harness.reference.double_double import DoubleDouble, constant, quick_two_sum, two_sum
from harness.reference.line import LONGEST, Line, Table

MAX_COUNT = 2**33
"""The greatest count that a schedule may name: its products with 20 bits are exact."""

_DIGITS50 = Context(prec=50)
_LN2 = _DIGITS50.ln(Decimal(2))
_PI = Decimal("3.14159265358979323846264338327950288419716939937510")
_OCTAVE = 2048
"""Entries of the table of powers of two: 2 ** (j / 2048)."""
_QUARTER = 1024
"""Entries of the table of cosines in a quarter turn."""
_MODERATE = 700.0
"""An argument that needs no care, be it a logarithm or an angle."""
_GREATEST = 4000.0
"""A natural logarithm that is beyond the range, whatever float64 it is multiplied with."""


def _leading_bits(value: Decimal, bits: int) -> float:
    mantissa, power = math.frexp(float(value))
    return math.ldexp(round(math.ldexp(mantissa, bits)), power - bits)


def _in_pieces(value: Decimal, bits: int) -> tuple[float, float, float]:
    """Two pieces of so many bits, whose products with whole numbers are exact, and the rest."""
    first = _leading_bits(value, bits)
    second = _leading_bits(value - Decimal(first), bits)
    return first, second, float(value - Decimal(first) - Decimal(second))


_STEP = _in_pieces(_DIGITS50.divide(_LN2, _OCTAVE), 29)
_PER_STEP = float(_OCTAVE / _LN2)
_LN2_PIECES = _in_pieces(_LN2, 40)
_HALF_PI = constant(_DIGITS50.divide(_PI, 2))
_THIRD, _SIXTH, _24TH = (constant(_DIGITS50.divide(Decimal(1), n)) for n in (3, 6, 24))
_LEAST_POWER = -1074
_POWERS_OF_TWO = np.ldexp(1.0, np.arange(_LEAST_POWER, 1024))


def scaled_exp(scale: float, x: DoubleDouble) -> DoubleDouble:
    """`scale * e ** x` without leaving the range on the way; `scale` is finite."""
    if isinstance(x, Line) and abs(x.step.hi) * LONGEST < 100:
        first = scaled_exp(scale, x.start)
        if 2.0**-700 < abs(first.hi) < 2.0**700:
            made = _exponentials(x.step.hi, x.step.lo).times(first, x.length)
            return DoubleDouble(*quick_two_sum(*made))
    mantissa, power = math.frexp(scale)

    def kernel(x: DoubleDouble) -> DoubleDouble:
        clipped, tail = x.hi, x.lo
        if not isinstance(clipped, float):
            clipped = np.clip(x.hi, -_GREATEST, _GREATEST)
            tail = np.where(clipped == x.hi, x.lo, 0.0)
        steps, whole = _nearest(clipped * _PER_STEP)
        first, second, third = _STEP
        high, low = two_sum(clipped - steps * first, -(steps * second))
        low = low + (tail - steps * third)
        rest = DoubleDouble(*quick_two_sum(high, low))
        entry = _powers()[whole & (_OCTAVE - 1)]
        value = _plus(entry, entry * _expm1(rest)) * mantissa
        return _times_power_of_two(value, (whole >> 11) + power)

    return _at_changes(kernel, x)


def _expm1(x: DoubleDouble) -> DoubleDouble:
    """`e ** x - 1` for `x` of at most 2 ** -12."""
    far = x.hi * (1 / 24 + x.hi * (1 / 120 + x.hi * (1 / 720 + x.hi * (1 / 5040))))
    cubic = x * _plus(_SIXTH, far)
    return _plus(x, x * x * _plus(DoubleDouble(0.5), cubic))


@lru_cache(maxsize=8)
def _exponentials(high: float, low: float) -> Table:
    """`e` to all multiples of a step that a line has."""
    steps = Line(DoubleDouble(0.0), DoubleDouble(high, low), LONGEST)
    return Table.of(scaled_exp(1.0, DoubleDouble(steps.hi, steps.lo)))


def log(x: DoubleDouble) -> DoubleDouble:
    """The natural logarithm of positive numbers, to 28 digits of it or of 1."""
    if isinstance(x.hi, float):
        return _log(x.hi, x.lo)

    def kernel(x: DoubleDouble) -> DoubleDouble:
        far_down = x.hi < 2.0**-960
        shift = np.where(far_down, 2.0**128, 1.0) if far_down.any() else 1.0
        bits = np.ascontiguousarray(x.hi * shift).view(np.int64)
        # To the nearest 1024th of the mantissa, so that next to 1 nothing cancels.
        nearest = bits + (1 << 41)
        power = (nearest >> 52) - 1023
        mantissa = (bits - (power << 52)).view(np.float64)
        entry = (nearest >> 42) & 1023
        reciprocal = _reciprocals().take(entry)
        upper = (mantissa.view(np.int64) & ~((1 << 27) - 1)).view(np.float64)
        # The pieces are short, and their products exact.
        high, low = two_sum(upper * reciprocal - 1.0, (mantissa - upper) * reciprocal)
        low = low + x.lo * shift * _powers_of_two(-power) * reciprocal
        near = _log1p(DoubleDouble(*quick_two_sum(high, low)))
        octaves = power - np.where(far_down, 128, 0) if far_down.any() else power
        first, second, third = _LN2_PIECES
        whole = DoubleDouble(octaves * first, octaves * second) + octaves * third
        return whole + _logarithms()[entry] + near

    return _at_changes(kernel, x)


@lru_cache(maxsize=4096)
def _log(high: float, low: float) -> DoubleDouble:
    if math.isinf(high):
        return DoubleDouble(high)
    return constant(_DIGITS50.ln(_DIGITS50.add(Decimal(high), Decimal(low))))


def _log1p(z: DoubleDouble) -> DoubleDouble:
    """`log(1 + z)` for `z` of at most 2 ** -10.9."""
    x = z.hi
    far = x * (1 / 5 - x * (1 / 6 - x * (1 / 7 - x * (1 / 8 - x * (1 / 9)))))
    quartic = z * _plus(DoubleDouble(-0.25), far)
    cubic = z * _plus(_THIRD, quartic)
    return _plus(z, z * z * _plus(DoubleDouble(-0.5), cubic))


@quiet
def sqrt(x: DoubleDouble) -> DoubleDouble:
    """The square root of an array of positive numbers; IEEE 754 defines that of a float64."""
    first = DoubleDouble(np.sqrt(x.hi))
    rest = x - first * first
    high, low = quick_two_sum(first.hi, rest.hi / (2 * first.hi))
    return DoubleDouble(high, np.where(np.isfinite(low), low, 0.0))


def cos_of_quarters(x: DoubleDouble) -> DoubleDouble:
    """The cosine of `x` quarter turns: exact where it is 0 or 1, and to all digits near there."""
    if isinstance(x, Line) and abs(x.start.hi) + abs(x.step.hi) * LONGEST < 2.0**20:
        cosines, sines = _turns(x.step.hi, x.step.lo)
        high, low = cosines.times(cos_of_quarters(x.start), x.length)
        # A sine is the cosine of a quarter turn less.
        less, tail = sines.times(cos_of_quarters(x.start - 1.0), x.length)
        high, rest = two_sum(high, -less)
        return DoubleDouble(*quick_two_sum(high, rest + (low - tail)))
    return _at_changes(_cosine, x)


@lru_cache(maxsize=8)
def _turns(high: float, low: float) -> tuple[Table, Table]:
    """The cosines and sines of all multiples of a step that a line has."""
    line = Line(DoubleDouble(0.0), DoubleDouble(high, low), LONGEST)
    steps = DoubleDouble(line.hi, line.lo)
    return Table.of(cos_of_quarters(steps)), Table.of(cos_of_quarters(steps - 1.0))


def _cosine(x: DoubleDouble) -> DoubleDouble:
    steps, whole = _nearest(x.hi * _QUARTER)
    angle = DoubleDouble(*quick_two_sum(x.hi - steps * (1 / _QUARTER), x.lo)) * _HALF_PI
    entry = whole & (4 * _QUARTER - 1)
    cosines, sines = _cosines()
    square = angle * angle
    s = square.hi
    odd = square * _plus(-_SIXTH, s * (1 / 120 - s * (1 / 5040)))
    sine = _plus(angle, angle * odd)
    even = square * _plus(_24TH, s * (-1 / 720 + s * (1 / 40320)))
    less = square * _plus(DoubleDouble(-0.5), even)  # cosine less 1
    cosine = cosines[entry]
    return cosine + (cosine * less - sines[entry] * sine)


@quiet
def _at_changes(kernel: Callable[[DoubleDouble], DoubleDouble], x: DoubleDouble) -> DoubleDouble:
    """The values of `kernel`, worked out once for each run of equal arguments."""
    if isinstance(x.hi, float):
        if abs(x.hi) < _MODERATE:
            return kernel(x)
        return kernel(DoubleDouble(np.array([x.hi]), np.array([x.lo]))).at(0)
    changed = x.hi[1:] != x.hi[:-1]
    if not isinstance(x.lo, float):
        changed |= x.lo[1:] != x.lo[:-1]
    if not len(x.hi) or 4 * np.count_nonzero(changed) > len(changed):
        return kernel(x)
    starts = np.append(0, np.flatnonzero(changed) + 1)
    values, lengths = kernel(x[starts]), np.diff(starts, append=len(x.hi))
    low = values.lo if isinstance(values.lo, float) else np.repeat(values.lo, lengths)
    return DoubleDouble(np.repeat(values.hi, lengths), low)


def _nearest(x: Any) -> tuple[Any, Any]:
    """The nearest whole numbers, as floats and as integers."""
    if isinstance(x, float):
        whole = round(x)
        return float(whole), whole
    steps = np.rint(x)
    return steps, steps.astype(np.int64)


def _plus(great: DoubleDouble, small: DoubleDouble | Float64) -> DoubleDouble:
    """A sum whose second term is not the greater, and is no more than a correction."""
    if isinstance(small, DoubleDouble):
        high, low = quick_two_sum(great.hi, small.hi)
        return DoubleDouble(*quick_two_sum(high, low + (great.lo + small.lo)))
    high, low = quick_two_sum(great.hi, small)
    return DoubleDouble(high, low + great.lo)


def _powers_of_two(exponents: Int64) -> Float64:
    return _POWERS_OF_TWO.take(exponents - _LEAST_POWER, mode="clip")


def _times_power_of_two(x: DoubleDouble, exponents: Int64 | int) -> DoubleDouble:
    exponents = np.asarray(exponents)
    if exponents.size and exponents.min() > -900 and exponents.max() < 1020:
        factor = DoubleDouble(_powers_of_two(exponents)).hi
        return DoubleDouble(x.hi * factor, x.lo * factor)
    small = exponents.astype(np.int32)
    return DoubleDouble(np.ldexp(x.hi, small), np.ldexp(x.lo, small))


@cache
def _powers() -> DoubleDouble:
    """2 ** (j / 2048), each as a product of two of 50 digits."""
    coarse, fine = (
        [constant(_DIGITS50.power(Decimal(2), Decimal(j) / parts)) for j in range(count)]
        for parts, count in ((32, 32), (_OCTAVE, _OCTAVE // 32))
    )
    return _together(coarse, _OCTAVE // 32, repeat=True) * _together(fine, 32)


def _together(numbers: list[DoubleDouble], times: int = 1, repeat: bool = False) -> DoubleDouble:
    spread: Any = np.repeat if repeat else np.tile
    return DoubleDouble(*(spread([getattr(x, p) for x in numbers], times) for p in ("hi", "lo")))


@cache
def _reciprocals() -> Float64:
    """Of the 1024ths from 1 on, in 14 bits."""
    return np.asarray(np.rint(2.0**14 / (1 + np.arange(1024) / 1024)) / 2.0**14)


@cache
def _logarithms() -> DoubleDouble:
    """Of the reciprocals, negated: a series in float64, and a step of Newton's method."""
    c = _reciprocals()
    u = (1 - c) / (1 + c)
    series = np.zeros(1024)
    for k in range(41, 0, -2):
        series = series * (u * u) + 1 / k
    guess = 2 * u * series
    return DoubleDouble(guess) - (c * scaled_exp(1.0, DoubleDouble(guess)) - 1.0)


@cache
def _cosines() -> tuple[DoubleDouble, DoubleDouble]:
    """Cosines and sines of the 1024ths of a quarter turn, once around."""
    factorials = [constant(_DIGITS50.divide(1, math.factorial(k))) for k in range(30)]
    angle = np.arange(_QUARTER // 2 + 1) / _QUARTER * _HALF_PI
    square = -(angle * angle)
    even, odd = factorials[26], factorials[27]
    for k in range(24, -1, -2):
        even, odd = even * square + factorials[k], odd * square + factorials[k + 1]
    odd = odd * angle
    half = _QUARTER // 2
    back = np.arange(half, 0, -1)
    cosine = even[:half].followed_by(odd[back])
    sine = odd[:half].followed_by(even[back])
    cosines = cosine.followed_by(-sine).followed_by(-cosine).followed_by(sine)
    sines = sine.followed_by(cosine).followed_by(-sine).followed_by(-cosine)
    return cosines, sines
