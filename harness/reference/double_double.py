"""Numbers of twice float64's digits, vectorised: an unevaluated sum of two float64.

Algorithms: Dekker, *A floating-point technique for extending the available precision* (1971);
Joldes, Muller and Popescu, *Tight and rigorous error bounds for basic building blocks of
double-word arithmetic* (2017). About 31 digits, of
which a schedule's formula may cancel a dozen and still round to the nearest float64 or its
neighbour.

Every operation is a float64 addition, multiplication or division, which IEEE 754 defines to the
last bit: the numbers are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np

from harness.reference.arithmetic import Float64, Int64, Mask, is_nothing, part, quotient

_SPLITTER = 2.0**27 + 1
Plain: TypeAlias = "float | int | Float64 | Int64"


class DoubleDouble:
    """`hi + lo`, with `hi` the nearest float64.

    Each part is a float64 array, or a Python float for a number that is the same everywhere, which
    `lo` often is, being 0, while `hi` is an array. Whoever evaluates a formula tells numpy to be
    `quiet` about what leaves the range.
    """

    __array_ufunc__ = None  # so that numpy leaves `array + number` to us
    __slots__ = ("hi", "lo")

    def __init__(self, hi: Any, lo: Any = 0.0) -> None:
        self.hi, self.lo = part(hi), part(lo)

    def rounded(self) -> Float64:
        """The nearest float64."""
        return np.asarray(self.hi)

    def at(self, index: int) -> DoubleDouble:
        """One number of an array; of a scalar itself."""
        if isinstance(self.hi, float):
            return self
        return self[index]

    def spread(self, length: int) -> DoubleDouble:
        """A scalar as an array of so many; an array as itself. Either is a copy."""
        high, low = np.broadcast_to(self.hi, length), np.broadcast_to(self.lo, length)
        return DoubleDouble(high.copy(), low.copy())

    def followed_by(self, other: DoubleDouble) -> DoubleDouble:
        """Both arrays, one after the other."""
        one, two = self.spread(len(self.hi)), other.spread(len(other.hi))
        return DoubleDouble(np.append(one.hi, two.hi), np.append(one.lo, two.lo))

    def __getitem__(self, which: int | slice | Int64) -> DoubleDouble:
        low = self.lo if isinstance(self.lo, float) else self.lo[which]
        return DoubleDouble(self.hi[which], low)

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.hi, -self.lo)

    def __add__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        return _sum(self, number(other))

    def __mul__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        return _product(self, number(other))

    def __truediv__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        return _ratio(self, number(other))

    def __sub__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        return self + -number(other)

    def __rsub__(self, other: Plain) -> DoubleDouble:
        return number(other) + -self

    def __rtruediv__(self, other: Plain) -> DoubleDouble:
        return number(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


def constant(value: Decimal) -> DoubleDouble:
    """A number known to 50 digits."""
    return DoubleDouble(float(value), float(value - Decimal(float(value))))


def number(value: DoubleDouble | Plain) -> DoubleDouble:
    """A plain number or array as one of these; one of these as it is."""
    return value if isinstance(value, DoubleDouble) else DoubleDouble(value)


def chosen(mask: Mask, one: DoubleDouble | Plain, other: DoubleDouble | Plain) -> DoubleDouble:
    """`one` where the mask is set, else `other`; a scalar if that is all there is of it."""
    one, other = number(one), number(other)
    if not np.any(mask):
        return other
    if np.all(mask):
        return one
    low: Any = 0.0
    if not (is_nothing(one.lo) and is_nothing(other.lo)):
        low = np.where(mask, one.lo, other.lo)
    return DoubleDouble(np.where(mask, one.hi, other.hi), low)


def _sum(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    high, low = two_sum(a.hi, b.hi)
    if is_nothing(a.lo) or is_nothing(b.lo):
        tail = b.lo if is_nothing(a.lo) else a.lo
        if not is_nothing(tail):
            high, low = quick_two_sum(high, low + tail)
    else:
        tail, rest = two_sum(a.lo, b.lo)
        high, low = quick_two_sum(high, low + tail)
        high, low = quick_two_sum(high, low + rest)
    return _within_range(high, low, lambda: a.hi + b.hi)


def _product(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    if _only_scales(b):
        return DoubleDouble(a.hi * b.hi, a.lo * b.hi)
    if _only_scales(a):
        return DoubleDouble(b.hi * a.hi, b.lo * a.hi)
    high, low = two_product(a.hi, b.hi)
    if not is_nothing(b.lo):
        low = low + a.hi * b.lo
    if not is_nothing(a.lo):
        low = low + a.lo * b.hi
    if not (is_nothing(a.lo) and is_nothing(b.lo)):
        high, low = quick_two_sum(high, low)
    return _within_range(high, low, lambda: a.hi * b.hi)


def _ratio(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    first = quotient(a.hi, b.hi)
    product, lacks = two_product(first, b.hi)
    rest = (a.hi - product) - lacks
    if not is_nothing(a.lo):
        rest = rest + a.lo
    if not is_nothing(b.lo):
        rest = rest - first * b.lo
    high, low = quick_two_sum(first, quotient(rest, b.hi))
    return _within_range(high, low, lambda: first)


def _only_scales(x: DoubleDouble) -> bool:
    """Whether it is a power of two, by which every number can be multiplied exactly."""
    return type(x.hi) is float and is_nothing(x.lo) and abs(math.frexp(x.hi)[0]) == 0.5


def _within_range(high: Any, low: Any, plain: Callable[[], Any]) -> DoubleDouble:
    """The sum of the parts; infinities have no second part, and float64's own first."""
    # What is beyond the range anywhere makes the second part there, and so the sum, no number.
    if math.isfinite(low if type(low) is float else np.add.reduce(low)):
        return DoubleDouble(high, low)
    finite = np.isfinite(high)
    return DoubleDouble(
        np.where(finite, high, plain()), np.where(finite & np.isfinite(low), low, 0.0)
    )


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The nearest float64 of a sum, and what it lacks."""
    total = a + b
    rest = total - a
    return total, (a - (total - rest)) + (b - rest)


def quick_two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The same, where `b` is not the greater."""
    total = a + b
    return total, b - (total - a)


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """The nearest float64 of a product, and what it lacks."""
    product = a * b
    a_high, b_high = _high_half(a), _high_half(b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _high_half(a: Any) -> Any:
    scaled = _SPLITTER * a
    return scaled - (scaled - a)
