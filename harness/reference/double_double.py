"""Numbers of twice float64's digits, vectorised: an unevaluated sum of two float64.

Algorithms: Dekker, *A floating-point technique for extending the available precision* (1971);
Hida, Li and Bailey, *Library for double-double and quad-double arithmetic* (2007). About 31 digits,
of which a schedule's formula may cancel a dozen and still round to the nearest float64 or its
neighbour.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, TypeAlias

import numpy as np

from harness.reference.arithmetic import Float64, Int64, Mask

_DIGITS50 = Context(prec=50)
_SPLITTER = 2.0**27 + 1
Plain: TypeAlias = "float | int | Float64"


class DoubleDouble:
    """`hi + lo`, with `hi` the nearest float64; float64 arrays of one shape, or scalars."""

    __array_ufunc__ = None  # so that numpy leaves `array + number` to us
    __slots__ = ("hi", "lo")

    def __init__(self, hi: Any, lo: Any = 0.0) -> None:
        self.hi, self.lo = np.asarray(hi, dtype=np.float64), np.asarray(lo, dtype=np.float64)

    def rounded(self) -> Float64:
        """The nearest float64."""
        return self.hi

    def at(self, index: int) -> DoubleDouble:
        """One number of an array; of a scalar itself."""
        if not self.hi.ndim:
            return self
        return DoubleDouble(self.hi[index], self.lo[index] if self.lo.ndim else self.lo)

    def spread(self, length: int) -> DoubleDouble:
        """A scalar as an array of so many; an array as itself. Either is a copy."""
        high, low = np.broadcast_to(self.hi, length), np.broadcast_to(self.lo, length)
        return DoubleDouble(high.copy(), low.copy())

    def followed_by(self, other: DoubleDouble) -> DoubleDouble:
        """Both arrays, one after the other."""
        return DoubleDouble(np.append(self.hi, other.hi), np.append(self.lo, other.lo))

    def __getitem__(self, which: slice | Int64) -> DoubleDouble:
        return DoubleDouble(self.hi[which], self.lo[which])

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.hi, -self.lo)

    def __add__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        other = _number(other)
        with np.errstate(all="ignore"):
            high, low = _two_sum(self.hi, other.hi)
            tail, rest = _two_sum(self.lo, other.lo)
            high, low = _quick_two_sum(high, low + tail)
            return _normal(high, low + rest, self.hi + other.hi)

    def __mul__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        other = _number(other)
        with np.errstate(all="ignore"):
            high, low = _two_product(self.hi, other.hi)
            return _normal(high, low + (self.hi * other.lo + self.lo * other.hi), high)

    def __truediv__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        other = _number(other)
        with np.errstate(all="ignore"):
            first = self.hi / other.hi
            rest = self - other * first
            second = rest.hi / other.hi
            third = (rest - other * second).hi / other.hi
            high, low = _quick_two_sum(first, second)
            return _normal(high, low + third, self.hi / other.hi)

    def __sub__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        return self + -_number(other)

    def __rsub__(self, other: Plain) -> DoubleDouble:
        return _number(other) + -self

    def __rtruediv__(self, other: Plain) -> DoubleDouble:
        return _number(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


def constant(value: Decimal) -> DoubleDouble:
    """A number known to 50 digits."""
    return DoubleDouble(float(value), float(value - Decimal(float(value))))


def _number(value: DoubleDouble | Plain) -> DoubleDouble:
    return value if isinstance(value, DoubleDouble) else DoubleDouble(value)


def _normal(high: Any, low: Any, plain: Any) -> DoubleDouble:
    total, rest = _quick_two_sum(high, low)
    # Infinities and what is beyond the range have no second part, and float64's own first.
    finite = np.isfinite(total)
    return DoubleDouble(
        np.where(finite, total, plain), np.where(finite & np.isfinite(rest), rest, 0.0)
    )


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _quick_two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    total = a + b
    return total, b - (total - a)


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    product = a * b
    a_high, b_high = _high_half(a), _high_half(b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _high_half(a: Any) -> Any:
    scaled = _SPLITTER * a
    return scaled - (scaled - a)


_QUARTER = constant(Decimal("1.57079632679489661923132169163975144209858469968755"))
_LN2 = constant(_DIGITS50.ln(Decimal(2)))
_INVERSE_FACTORIALS = [
    constant(_DIGITS50.divide(Decimal(1), Decimal(int(np.prod(range(1, k + 1), dtype=object)))))
    for k in range(30)
]


def scaled_exp(scale: float, x: DoubleDouble) -> DoubleDouble:
    """`scale * e ** x` without leaving the range on the way; `scale` is finite."""
    with np.errstate(all="ignore"):
        octaves = np.clip(np.rint(x.hi / _LN2.hi), -4000, 4000)
        # At most 0.35, taken to a 64th, where eleven terms of the series suffice.
        small = (x - _LN2 * octaves) * (1 / 64)
        small = _where(np.abs(small.hi) < 1, small, 0.0)  # beyond the range: ldexp decides
        value = _series(small, range(11, -1, -1))
        for _ in range(6):
            value = value * value
        mantissa, power = np.frexp(scale)
        value = value * float(mantissa)
        exponent = octaves.astype(np.int32) + np.int32(power)
        return DoubleDouble(np.ldexp(value.hi, exponent), np.ldexp(value.lo, exponent))


def log(x: DoubleDouble) -> DoubleDouble:
    """The natural logarithm of positive numbers, by one step of Newton's method."""
    with np.errstate(all="ignore"):
        guess = DoubleDouble(np.log(x.hi))
    return guess + (x * scaled_exp(1.0, -guess) - 1.0)


def cos_of_quarters(x: DoubleDouble) -> DoubleDouble:
    """The cosine of `x` quarter turns: exact where it is 0 or 1, and to all digits near there."""
    turns = np.rint(x.hi)
    rest = (x - turns) * _QUARTER  # at most pi / 4
    square = -(rest * rest)
    even = _series(square, range(26, -1, -2))
    odd = rest * _series(square, range(27, 0, -2))
    quadrant = np.mod(turns, 4)
    picked = _where(np.mod(quadrant, 2) == 0, even, odd)
    return _where((quadrant == 1) | (quadrant == 2), -picked, picked)


def _series(x: DoubleDouble, orders: range) -> DoubleDouble:
    total = _INVERSE_FACTORIALS[orders[0]]
    for order in orders[1:]:
        total = total * x + _INVERSE_FACTORIALS[order]
    return total


def _where(mask: Mask, one: DoubleDouble | Plain, other: DoubleDouble | Plain) -> DoubleDouble:
    one, other = _number(one), _number(other)
    return DoubleDouble(np.where(mask, one.hi, other.hi), np.where(mask, one.lo, other.lo))


class Exact:
    """The arithmetic of the reference models: each result is right to about 30 digits."""

    def parameter(self, value: float) -> DoubleDouble:
        return DoubleDouble(value)

    def whole(self, counts: Int64 | int) -> DoubleDouble:
        return DoubleDouble(counts)

    def root(self, value: float, degree: int) -> DoubleDouble:
        return self.power(DoubleDouble(value), DoubleDouble(1.0) / float(degree))

    def per(self, value: float, parts: int) -> DoubleDouble:
        return DoubleDouble(value) / parts

    def power(self, base: DoubleDouble, exponent: DoubleDouble | float) -> DoubleDouble:
        exponent = _number(exponent)
        positive = np.asarray(base.hi > 0)
        safe = _where(positive, base, 1.0)
        value = scaled_exp(1.0, log(safe) * exponent)
        at_zero = np.where(exponent.hi == 0, 1.0, 0.0)
        return _where(positive, value, at_zero)

    def exp(self, x: DoubleDouble) -> DoubleDouble:
        return scaled_exp(1.0, x)

    def half_wave(self, share: DoubleDouble) -> DoubleDouble:
        # Of half the angle, squared: what is left near 0 is no difference.
        half = cos_of_quarters(share)
        return half * half

    def where(
        self, mask: Mask, one: DoubleDouble | float, other: DoubleDouble | float
    ) -> DoubleDouble:
        return _where(mask, one, other)

    def signed(self, sign: Float64, x: DoubleDouble) -> DoubleDouble:
        return DoubleDouble(sign * x.hi, sign * x.lo)
