"""A constant factor of the base rate for a while, and the base rate afterwards.

Source: `torch.optim.lr_scheduler.ConstantLR`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeInt

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Chain, Counted


class Constant(Counted):
    """`base_lr * factor` before `total_iters`, `base_lr` from then on.

    >>> import numpy as np
    >>> Constant(base_lr=0.1, factor=0.5, total_iters=2).rates(np.arange(4), 1).tolist()
    [0.05, 0.05, 0.1, 0.1]
    """

    factor: FiniteFloat = Field(description="factor before total_iters")
    total_iters: NonNegativeInt = Field(le=MAX_COUNT, description="counts that the factor lasts")

    def seams(self, first: int, last: int) -> Iterable[int]:
        del first, last
        return (self.total_iters,)

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        base, factor = n.parameter(self.base_lr), n.parameter(self.factor)
        return n.where(count >= self.total_iters, base, base * factor)

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any] | None:
        if self.factor == 0:
            return None
        back = n.whole(1) / n.parameter(self.factor)
        return Chain(n.where(count == self.total_iters, back, 1.0), n.whole(0), n.whole(0))
