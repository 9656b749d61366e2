"""What a formula is written in, so that one text of it can be evaluated in several ways.

A family's formula stands once, as a method that takes an `Arithmetic`. In `Exact` it is the
reference model; in `harness.budget.Rounding` it tells how far rounding may take an implementation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
P = ParamSpec("P")
T = TypeVar("T")


class _Told(threading.local):
    """Whether numpy was told already, in this thread: each time costs as much as a few sums."""

    quiet = False


_told = _Told()


def quiet(function: Callable[P, T]) -> Callable[P, T]:
    """For one that evaluates formulas: infinities, and what is not a number, are no news there."""

    @wraps(function)
    def quietly(*args: P.args, **kwargs: P.kwargs) -> T:
        if _told.quiet:
            return function(*args, **kwargs)
        with np.errstate(all="ignore"):
            _told.quiet = True
            try:
                return function(*args, **kwargs)
            finally:
                _told.quiet = False

    return quietly


class Number(Protocol):
    """A number, or an array of shape `(n,)` of them: what the four operators take and give."""

    def __add__(self, other: Any, /) -> Any: ...
    def __radd__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __rsub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __rmul__(self, other: Any, /) -> Any: ...
    def __truediv__(self, other: Any, /) -> Any: ...
    def __rtruediv__(self, other: Any, /) -> Any: ...
    def at(self, index: int) -> Any: ...


N = TypeVar("N", bound=Number)


class Arithmetic(Protocol[N]):
    """How to make numbers, and the functions that are more than an operator.

    Literals in a formula (`1`, `0.5`) stand for themselves, exactly.
    """

    def parameter(self, value: float) -> N:
        """A parameter of the schedule."""

    def whole(self, counts: Int64 | int) -> N:
        """Whole numbers: counts, lengths."""

    def root(self, value: float, degree: int) -> N:
        """`value ** (1 / degree)`, worked out in float64 before it becomes a parameter."""

    def per(self, value: float, parts: int) -> N:
        """`value / parts`, worked out in float64 before it becomes a parameter."""

    def power(self, base: N, exponent: N | float) -> N:
        """`base ** exponent`, base at least 0."""

    def times_power(self, scale: N, base: N, exponent: N | float) -> N:
        """`scale * base ** exponent`, of which only the product need be in the range."""

    def exp(self, x: N) -> N:
        """e to the power `x`."""

    def times_exp(self, scale: N, x: N) -> N:
        """`scale * e ** x`, of which only the product need be in the range."""

    def half_wave(self, share: N) -> N:
        """`(1 + cos(pi * share)) / 2`: from 1 at 0 down to 0 at 1, and up again to 1 at 2."""

    def where(self, mask: Mask, one: N | float, other: N | float) -> N:
        """`one` where the mask is set, else `other`."""

    def signed(self, sign: Float64, x: N) -> N:
        """`x` with signs, which cost no rounding."""


def part(value: Any) -> Any:
    """A number as an array of float64, or as a Python float where it is the same everywhere."""
    if type(value) is float:
        return value
    if type(value) is np.ndarray and value.dtype == np.float64 and value.ndim:
        return value
    array = np.asarray(value, dtype=np.float64)
    return array if array.ndim else float(array)


def is_nothing(x: Any) -> bool:
    """Whether a part is 0 everywhere, and known to be."""
    return type(x) is float and x == 0


def quotient(a: Any, b: Any) -> Any:
    """`a / b` of two parts, where Python's floats may not be divided by 0 and numpy's are."""
    return part(np.divide(a, b)) if type(b) is float and not b else a / b
