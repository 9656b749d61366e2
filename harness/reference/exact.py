"""The arithmetic of the reference models: formulas in double-double numbers."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import takewhile

import numpy as np

from harness.reference.arithmetic import Float64, Int64, Mask
from harness.reference.double_double import DoubleDouble, chosen, number
from harness.reference.elementary import cos_of_quarters, log, scaled_exp, sqrt
from harness.reference.line import Line, whole_numbers

_TIE = 2**54
"""Odd whole numbers up to here may lie halfway between two float64, or be one."""


class Exact:
    """Each result is right to about 30 digits."""

    def parameter(self, value: float) -> DoubleDouble:
        return DoubleDouble(value)

    def whole(self, counts: Int64 | int) -> DoubleDouble:
        return whole_numbers(counts)

    def root(self, value: float, degree: int) -> DoubleDouble:
        return self.power(DoubleDouble(value), DoubleDouble(1.0) / float(degree))

    def per(self, value: float, parts: int) -> DoubleDouble:
        return DoubleDouble(value) / parts

    def power(self, base: DoubleDouble, exponent: DoubleDouble | float) -> DoubleDouble:
        return self.times_power(DoubleDouble(1.0), base, exponent)

    def times_power(
        self, scale: DoubleDouble, base: DoubleDouble, exponent: DoubleDouble | float
    ) -> DoubleDouble:
        exponent = number(exponent)
        times = _few(exponent)
        if times and not isinstance(base.hi, float):
            product = base
            for _ in range(times - 1):
                product = product * base
            return scale * product
        positive = np.asarray(base.hi) > 0
        is_root = isinstance(exponent.hi, float) and abs(exponent.hi) == 0.5 and exponent.lo == 0
        if is_root and positive.all() and not isinstance(base.hi, float):
            return scale * sqrt(base) if exponent.hi > 0 else scale / sqrt(base)
        value = scaled_exp(scale.hi, log(chosen(positive, base, 1.0)) * exponent)
        if not positive.all():
            at_zero = chosen(np.asarray(exponent.hi) == 0, scale, 0.0)
            value = chosen(positive, value, at_zero)
        if isinstance(base.hi, float) and base.lo == 0 < base.hi < math.inf:
            value = _with_ties(value, scale, base.hi, exponent)
        return value

    def exp(self, x: DoubleDouble) -> DoubleDouble:
        return scaled_exp(1.0, x)

    def times_exp(self, scale: DoubleDouble, x: DoubleDouble) -> DoubleDouble:
        return scaled_exp(scale.hi, x)

    def half_wave(self, share: DoubleDouble) -> DoubleDouble:
        # Of half the angle, squared: what is left near 0 is no difference.
        half = cos_of_quarters(share)
        return half * half

    def where(
        self, mask: Mask, one: DoubleDouble | float, other: DoubleDouble | float
    ) -> DoubleDouble:
        return chosen(mask, one, other)

    def signed(self, sign: Float64, x: DoubleDouble) -> DoubleDouble:
        return DoubleDouble(sign * x.hi, sign * x.lo)


def _few(exponent: DoubleDouble) -> int:
    """The exponent, if that many products are less work, and exact where they can be; else 0."""
    few = isinstance(exponent.hi, float) and exponent.lo == 0 and exponent.hi in (1, 2, 3, 4)
    return int(exponent.hi) if few else 0


def _with_ties(
    value: DoubleDouble, scale: DoubleDouble, base: float, exponent: DoubleDouble
) -> DoubleDouble:
    """The value, exact where it may lie halfway between two float64."""
    known = _exact_powers(base)
    if isinstance(exponent, Line) and min(exponent.ends) >= len(known.hi):
        return value
    whole = np.asarray(exponent.hi)
    if not whole.size or whole.min() >= len(known.hi):
        return value
    here = (whole >= 0) & (whole < len(known.hi)) & (np.rint(whole) == whole)
    here &= np.asarray(exponent.lo) == 0
    entry = np.where(here, whole, 0).astype(np.int64)
    return chosen(here, known[entry] * scale, value)


@lru_cache(maxsize=256)
def _exact_powers(base: float) -> DoubleDouble:
    """The powers of a number, from 0 on, that two float64 hold and whose multiples may be ties."""
    top, bottom = base.as_integer_ratio()
    octave = (top & -top).bit_length() - bottom.bit_length()
    odd = top // (top & -top)
    within_range = range(int(min(1000, 900 / max(1.0, abs(math.frexp(base)[1])))))
    powers = list(takewhile(lambda power: power <= _TIE, (odd**k for k in within_range)))
    parts = [(float(power), float(power - int(float(power)))) for power in powers]
    high, low = np.array(parts).reshape(-1, 2).T
    scale = np.ldexp(1.0, octave * np.arange(len(parts)))
    return DoubleDouble(high * scale, low * scale)
