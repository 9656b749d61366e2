"""Numbers in equal steps: what a schedule's counts are, and what scalars make of them.

A line is its first number and its step, and stays so under sums, products and quotients with
scalars. Exponentials and cosines of it are those of its first number and of its steps, which are
the same for every stretch of the schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.reference.arithmetic import Float64, Int64
from harness.reference.double_double import DoubleDouble, Plain, number, quick_two_sum, two_sum

LONGEST = 16384
"""The greatest length of a line."""
_SHORTEST = 1024  # below that, what a line saves is less than what its tables cost
_INDEX = np.arange(LONGEST, dtype=np.float64)
_WHOLE = np.arange(LONGEST)


class Line(DoubleDouble):
    """`start + i * step` for `i` from 0 to `length - 1`; the parts are made when asked for."""

    __slots__ = ("_parts", "length", "start", "step")

    def __init__(self, start: DoubleDouble, step: DoubleDouble, length: int) -> None:
        self.start, self.step, self.length = start, step, length
        self._parts: tuple[Float64, Float64] | None = None

    @property
    def hi(self) -> Any:
        """The nearest float64, shape `(length,)`."""
        return self._made()[0]

    @property
    def lo(self) -> Any:
        """What they lack, shape `(length,)`."""
        return self._made()[1]

    @property
    def ends(self) -> tuple[float, float]:
        """The first number and the last, roughly."""
        return self.start.hi, self.start.hi + (self.length - 1) * self.step.hi

    def _made(self) -> tuple[Float64, Float64]:
        if self._parts is None:
            index, step = _INDEX[: self.length], self.step.hi
            # The index has 14 bits, and each half of the step at most 39: exact products.
            mantissa, power = math.frexp(step)
            upper = math.ldexp(round(math.ldexp(mantissa, 39)), power - 39)
            product = index * step
            lacks = (index * upper - product) + index * (step - upper)
            high, low = two_sum(self.start.hi, product)
            low = low + (lacks + (index * self.step.lo + self.start.lo))
            self._parts = quick_two_sum(high, low)
        return self._parts

    def __neg__(self) -> DoubleDouble:
        return Line(-self.start, -self.step, self.length)

    def __add__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        other = number(other)
        if isinstance(other, Line):
            return self._line(self.start + other.start, self.step + other.step)
        if isinstance(other.hi, float):
            return self._line(self.start + other, self.step)
        return super().__add__(other)

    def __mul__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        other = number(other)
        if not isinstance(other, Line) and isinstance(other.hi, float):
            return self._line(self.start * other, self.step * other)
        return super().__mul__(other)

    def __truediv__(self, other: DoubleDouble | Plain) -> DoubleDouble:
        other = number(other)
        if not isinstance(other, Line) and isinstance(other.hi, float):
            return self._line(self.start / other, self.step / other)
        return super().__truediv__(other)

    __radd__ = __add__
    __rmul__ = __mul__

    def _line(self, start: DoubleDouble, step: DoubleDouble) -> DoubleDouble:
        return Line(start, step, self.length)


def whole_numbers(counts: Int64 | int) -> DoubleDouble:
    """Counts as numbers: a scalar where they are all the same, a line where each is the next."""
    if isinstance(counts, int) or not _SHORTEST <= np.size(counts) <= LONGEST:
        return DoubleDouble(counts)
    first, last, length = counts[0], counts[-1], len(counts)
    if last == first and (counts == first).all():
        return DoubleDouble(float(first))
    if last - first == length - 1 and (counts - first == _WHOLE[:length]).all():
        return Line(DoubleDouble(float(first)), DoubleDouble(1.0), length)
    return DoubleDouble(counts)


@dataclass(frozen=True)
class Table:
    """An array that is multiplied with many scalars: its halves are taken once."""

    hi: Float64
    lo: Float64
    upper: Float64
    lower: Float64

    @classmethod
    def of(cls, x: DoubleDouble) -> Table:
        """The numbers of an array."""
        scaled = (2.0**27 + 1) * x.hi
        upper = scaled - (scaled - x.hi)
        return cls(x.hi, x.lo, upper, x.hi - upper)

    def times(self, x: DoubleDouble, length: int) -> tuple[Float64, Float64]:
        """The products of the first so many with a scalar; the parts may overlap a little."""
        high, upper, lower = self.hi[:length], self.upper[:length], self.lower[:length]
        product = high * x.hi
        scaled = (2.0**27 + 1) * x.hi
        x_upper = scaled - (scaled - x.hi)
        x_lower = x.hi - x_upper
        lacks = ((upper * x_upper - product) + upper * x_lower + lower * x_upper) + lower * x_lower
        return product, lacks + (high * x.lo + self.lo[:length] * x.hi)
