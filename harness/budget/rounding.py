"""Running error analysis: numbers that know how far rounding may have taken them.

Each operation of a formula adds what its own rounding may do to what the errors of its operands do
to the result (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., sections 2.2 and
3.3). The result bounds the error of every implementation that evaluates the formula in the working
precision, and a recursion is such a formula too.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, TypeAlias, cast

import numpy as np

from harness.catalogue import Precision
from harness.catalogue.model import limits, smallest_normal
from harness.reference.arithmetic import Float64, Int64, Mask, is_nothing, part, quiet, quotient

POW_ULP = 2.0
"""Accuracy of `pow` in float64, in ULP: twice the worst that was measured (docs/tolerance.md)."""
POW_ULP_FLOAT32 = 2.5
"""Accuracy of `powf`, in ULP: CUDA's, which is up to 2 ULP from the correctly rounded power."""
COS_ULP = 2.0
"""Accuracy of `cos` and `cosf`, in ULP: the worst measured, 1.35, and half as much again."""
HALF_ULP = 1.0
"""Accuracy of any function in float16 and bfloat16, in ULP: it is evaluated in float32."""
_POW_ULP = {
    Precision.FLOAT64: POW_ULP,
    Precision.FLOAT32: POW_ULP_FLOAT32,
    Precision.FLOAT16: HALF_ULP,
    Precision.BFLOAT16: HALF_ULP,
}
_COS_ULP = {
    Precision.FLOAT64: COS_ULP,
    Precision.FLOAT32: COS_ULP,
    Precision.FLOAT16: HALF_ULP,
    Precision.BFLOAT16: HALF_ULP,
}

_U64 = 2.0**-53
Plain: TypeAlias = "float | int | Float64"


@cache
def unit_roundoff(precision: Precision) -> float:
    """Half the distance from 1 to the next number.

    >>> unit_roundoff(Precision.FLOAT32) == 2.0**-24
    True
    """
    return float(limits(precision).eps) / 2


class Rounded:
    """A value, the bound on its absolute error, and the roundoff of its arithmetic.

    `value` is what exact arithmetic would give, to the few digits that an error bound needs. Value
    and error are each a float64 array, or a Python float for what is the same everywhere. A bound
    that is not a number says, as an infinite one does, that nothing is known. numpy is to be quiet
    about both: the operators leave that to who evaluates a formula.
    """

    __array_ufunc__ = None  # so that numpy leaves `array + number` to us
    __slots__ = ("error", "roundoff", "value")

    def __init__(self, value: Any, error: Any, roundoff: float) -> None:
        self.value, self.error, self.roundoff = part(value), part(error), roundoff

    def _other(self, other: Rounded | Plain) -> Rounded:
        return other if isinstance(other, Rounded) else Rounded(other, 0.0, self.roundoff)

    def _result(self, value: Any, error: Any, exact: _Where) -> Rounded:
        rounding = _unless(exact, self.roundoff * (abs(value) + error))
        return Rounded(value, error + rounding, self.roundoff)

    def at(self, index: int) -> Rounded:
        """One number of an array; of a scalar itself."""
        value, error = (x if type(x) is float else x[index] for x in (self.value, self.error))
        return Rounded(value, error, self.roundoff)

    def __neg__(self) -> Rounded:
        return Rounded(-self.value, self.error, self.roundoff)

    def __add__(self, other: Rounded | Plain) -> Rounded:
        other = self._other(other)
        value, error = self.value + other.value, self.error + other.error
        return self._result(value, error, _either(_is(self, 0), _is(other, 0)))

    def __mul__(self, other: Rounded | Plain) -> Rounded:
        other = self._other(other)
        error = (
            _product(abs(self.value), other.error)
            + _product(abs(other.value), self.error)
            + _product(self.error, other.error)
        )
        exact = _either(_is(self, 1), _is(other, 1), _is(self, 0))
        return self._result(self.value * other.value, error, exact)

    def __truediv__(self, other: Rounded | Plain) -> Rounded:
        other = self._other(other)
        value, size = quotient(self.value, other.value), abs(other.value)
        if is_nothing(other.error):
            error = 0.0 if is_nothing(self.error) else quotient(self.error, size)
        else:
            error = quotient(self.error + abs(value) * other.error, size - other.error)
        error = _where(size > other.error, error, math.inf)
        whole = _whole(self, other, value)
        exact = _either(whole, _is(other, 1), _is(other, 2))
        return self._result(value, _unless(_is(self, 0), error), exact)

    def __sub__(self, other: Rounded | Plain) -> Rounded:
        return self + -self._other(other)

    def __rsub__(self, other: Plain) -> Rounded:
        return self._other(other) + -self

    def __rtruediv__(self, other: Plain) -> Rounded:
        return self._other(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


_Where: TypeAlias = "bool | Mask"
"""Where something holds: everywhere, nowhere, or as a mask of which some are set."""


def _is(x: Rounded, value: float) -> _Where:
    same: Any = x.value == value
    if not (same if type(same) is bool else same.any()):
        return False
    return cast(_Where, same & (x.error == 0))


def _either(*wheres: _Where) -> _Where:
    some: Any = False
    for where in wheres:
        some = where if some is False else some | where
    return cast(_Where, some)


def _where(mask: _Where, one: Any, other: Any) -> Any:
    if mask is True or mask is False:
        return one if mask else other
    if mask.all():
        return one
    return np.where(mask, one, other) if mask.any() else other


def _unless(mask: _Where, values: Any) -> Any:
    """`values`, and 0 where the mask is set."""
    return values if mask is False else np.where(mask, 0.0, values)


def _product(size: Any, error: Any) -> Any:
    """`size * error`, where nothing is made of an infinity."""
    if is_nothing(size) or is_nothing(error):
        return 0.0
    product = size * error
    if math.isnan(product if type(product) is float else np.add.reduce(product)):
        return np.where((size == 0) | (error == 0), 0.0, product)
    return product


def _whole(a: Rounded, b: Rounded, ratio: Any) -> _Where:
    """Where the quotient of two known numbers is a whole number, which is not rounded."""
    whole = ratio == np.floor(ratio)
    if not np.any(whole):
        return False
    known = (a.error == 0) & (b.error == 0) & (abs(ratio) * a.roundoff <= 1)
    return cast(_Where, whole & known & (np.fmod(a.value, b.value) == 0))


class Rounding:
    """The arithmetic of an implementation that computes in `precision`."""

    def __init__(self, precision: Precision) -> None:
        self._dtype = np.dtype(precision)
        self._u = unit_roundoff(precision)
        self.tiny = smallest_normal(precision)
        self._pow_ulp = _POW_ULP[precision]
        self._cos_ulp = _COS_ULP[precision]
        # MindSpore's Cells take the sine of an angle that is a quarter turn on.
        self._turned = 0.0 if precision is Precision.FLOAT64 else 0.5
        # What the base of the natural logarithm loses when it is a float, in the logarithm's units.
        self._e = abs(math.log1p((float(self._dtype.type(math.e)) - math.e) / math.e)) + _U64

    def parameter(self, value: float) -> Rounded:
        """What passing `value` does to it: no bound but the rounding itself, which is known."""
        return self._passed(value, 0.0)

    @quiet
    def _passed(self, value: float, already: float) -> Rounded:
        passed = float(self._dtype.type(value))
        lost = abs(value) if passed == 0 or math.isinf(passed) else abs(passed - value)
        return Rounded(value, lost + already, self._u)

    def whole(self, counts: Int64 | int) -> Rounded:
        values = part(counts)
        return Rounded(values, _where(abs(values) > 1 / self._u, self._u * values, 0.0), self._u)

    def root(self, value: float, degree: int) -> Rounded:
        root = value ** (1 / degree)
        logarithm = abs(math.log(value)) if value else 0.0
        return self._passed(root, root * (POW_ULP * 2 * _U64 + _U64 * logarithm / degree))

    def per(self, value: float, parts: int) -> Rounded:
        # A bound: an API that counts another unit has other parts, and another rounding.
        return Rounded(value / parts, (self._u + _U64) * abs(value / parts), self._u)

    def power(self, base: Rounded, exponent: Rounded | float) -> Rounded:
        exponent = exponent if isinstance(exponent, Rounded) else Rounded(exponent, 0.0, self._u)
        value = np.power(base.value, exponent.value)
        total = self._pow_ulp * 2 * self._u
        if not is_nothing(base.error):
            relative = np.where(base.error == 0, 0.0, np.divide(base.error, np.abs(base.value)))
            lost = part(np.where(relative < 0.5, -np.log1p(-relative), np.inf))
            total = total + _product(lost, abs(exponent.value))
        if not is_nothing(exponent.error):
            positive = np.where(np.greater(base.value, 0), base.value, 1.0)
            total = total + np.abs(np.log(positive)) * exponent.error
        return self._function(value, _unless(_is(exponent, 0), total))

    def times_power(self, scale: Rounded, base: Rounded, exponent: Rounded | float) -> Rounded:
        return scale * self.power(base, exponent)

    def exp(self, x: Rounded) -> Rounded:
        total = x.error + abs(x.value) * self._e + self._pow_ulp * 2 * self._u
        return self._function(np.exp(x.value), _unless(_is(x, 0), total))

    def times_exp(self, scale: Rounded, x: Rounded) -> Rounded:
        return scale * self.exp(x)

    def half_wave(self, share: Rounded) -> Rounded:
        turned = self._passed(math.pi, _U64 * math.pi) * (share + self._turned)
        angle, off = np.pi * share.value, turned.error
        value, slope = np.cos(angle), abs(np.sin(angle))
        error = slope * off + off * off / 2 + self._cos_ulp * 2 * self._u * abs(value)
        return (1 + Rounded(value, error, self._u)) / 2

    def where(self, mask: Mask, one: Rounded | float, other: Rounded | float) -> Rounded:
        one = one if isinstance(one, Rounded) else Rounded(one, 0.0, self._u)
        other = other if isinstance(other, Rounded) else Rounded(other, 0.0, self._u)
        value = _where(mask, one.value, other.value)
        return Rounded(value, _where(mask, one.error, other.error), self._u)

    def signed(self, sign: Float64, x: Rounded) -> Rounded:
        return Rounded(sign * x.value, x.error, self._u)

    def _function(self, value: Any, total: Any) -> Rounded:
        """A value whose logarithm may be off by `total`, and which may be flushed to zero."""
        # A parameter that is lost altogether leaves nothing of the value, an error of 1.
        relative = _where(np.isfinite(total), np.expm1(np.minimum(total, 700.0)), 1.0)
        size = abs(value)
        flushed = _where(size < 2 * self.tiny, self.tiny, 0.0)
        return Rounded(value, size * relative + flushed, self._u)


class Numerals(Rounding):
    """Exact arithmetic on parameters that a case gives as decimals and float64 rounds."""

    def __init__(self) -> None:
        super().__init__(Precision.FLOAT64)
        self._u = self.tiny = self._pow_ulp = self._e = 0.0

    def parameter(self, value: float) -> Rounded:
        return Rounded(value, _U64 * abs(value), 0.0)

    def whole(self, counts: Int64 | int) -> Rounded:
        return Rounded(counts, 0.0, 0.0)

    def root(self, value: float, degree: int) -> Rounded:
        return self.power(self.parameter(value), 1 / degree)

    def per(self, value: float, parts: int) -> Rounded:
        return self.parameter(value / parts)

    def half_wave(self, share: Rounded) -> Rounded:
        angle, off = np.pi * share.value, np.pi * share.error
        error = 0.0 if is_nothing(off) else abs(np.sin(angle)) * off / 2 + off * off / 4
        return Rounded((1 + np.cos(angle)) / 2, error, 0.0)
