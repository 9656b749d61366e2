"""Given rates between given milestones.

Source: the documented formula of `mindspore.nn.piecewise_constant_lr`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Counted


class Piecewise(Counted):
    """`base_lr` before the first milestone, `rates_after[i]` from the i-th milestone on.

    >>> import numpy as np
    >>> Piecewise(base_lr=0.1, milestones=[2, 4], rates_after=[0.05, 0.01]).rates(
    ...     np.arange(6), 1).tolist()
    [0.1, 0.1, 0.05, 0.05, 0.01, 0.01]
    """

    milestones: list[Annotated[PositiveInt, Field(le=MAX_COUNT)]]
    rates_after: list[FiniteFloat]

    @model_validator(mode="after")
    def _a_rate_for_each(self) -> Piecewise:
        if len(self.milestones) != len(self.rates_after):
            raise ValueError("give a rate for each milestone")
        if any(b <= a for a, b in pairwise(self.milestones)):
            raise ValueError("milestones must increase")
        return self

    def seams(self, first: int, last: int) -> Iterable[int]:
        del first, last
        return self.milestones

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        rates: Any = n.where(count >= 0, n.parameter(self.base_lr), 0.0)
        for milestone, rate in zip(self.milestones, self.rates_after, strict=True):
            rates = n.where(count >= milestone, n.parameter(rate), rates)
        return rates
