"""A schedule that a user's own function gives, by the factors that it gave at each count."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field

from harness.reference.arithmetic import Arithmetic, Float64, Int64, quiet
from harness.reference.double_double import DoubleDouble
from harness.reference.exact import Exact
from harness.reference.schedule import Chain, Counted


class Tabulated(Counted):
    """`base_lr * factors[t]`, or `base_lr * factors[1] * ... * factors[t]` where `multiplied`.

    >>> Tabulated(base_lr=0.5, factors=(1.0, 0.5), source="").rates(np.arange(2), 1).tolist()
    [0.5, 0.25]
    """

    factors: tuple[float, ...] = Field(min_length=1, description="one for each count")
    multiplied: bool = False
    source: str = Field(description="Python code that defines `factor`, the user's function")

    @cached_property
    @quiet
    def _products(self) -> DoubleDouble:
        given = DoubleDouble(np.array(self.factors[1:]))
        nothing = DoubleDouble(np.zeros(len(self.factors) - 1))
        one = DoubleDouble(1.0)
        return Chain(given, nothing, nothing).along(one, len(self.factors) - 1)

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        at = np.minimum(count, len(self.factors) - 1)
        if self.multiplied:
            products = self._products[at]
            factor = _numbers(products.hi, n)
            if isinstance(n, Exact):
                factor = factor + DoubleDouble(products.lo)
        else:
            factor = _numbers(np.array(self.factors)[at], n)
        return n.parameter(self.base_lr) * factor

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any] | None:
        if not self.multiplied:
            return None
        factors = np.array(self.factors)[np.minimum(count, len(self.factors) - 1)]
        return Chain(_numbers(factors, n), n.whole(0), n.whole(0))


def _numbers(values: Float64, n: Arithmetic[Any]) -> Any:
    """Many parameters at once: whole numbers, which a coarse precision rounds, by powers of 2."""
    mantissas, exponents = np.frexp(values)
    whole: Any = mantissas * 2.0**53
    scale: Any = np.ldexp(1.0, exponents - 53)
    return n.whole(whole) * n.whole(scale)
