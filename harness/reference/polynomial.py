"""Down to an end rate along a power of what is left.

Source: `torch.optim.lr_scheduler.PolynomialLR` (end_lr 0) and `mindspore.nn.PolynomialDecayLR` and
`polynomial_decay_lr`, whose `update_decay_steps` is `cycle` here, as in TensorFlow's
`polynomial_decay`, where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat, PositiveInt

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Chain, Counted


class Polynomial(Counted):
    """`(base_lr - end_lr) * (1 - min(t, total) / total) ** power + end_lr`.

    With `cycle`, `total` grows to the next multiple of `total_iters` that `t` has not passed.

    >>> Polynomial(base_lr=1.0, end_lr=0.5, total_iters=4, power=2.0).rates(
    ...     np.array([0, 2, 4, 6]), 1).tolist()
    [1.0, 0.625, 0.5, 0.5]
    >>> Polynomial(base_lr=1.0, total_iters=4, power=1.0, cycle=True).rates(
    ...     np.array([4, 6]), 1).tolist()
    [0.0, 0.25]
    """

    end_lr: FiniteFloat = Field(default=0.0, description="the rate from total_iters on")
    total_iters: PositiveInt = Field(le=MAX_COUNT, description="counts until end_lr")
    power: FiniteFloat = Field(ge=0, description="1 is a line; greater powers fall faster")
    cycle: bool = Field(default=False, description="lengthen total_iters by itself when it is over")

    def seams(self, first: int, last: int) -> Iterable[int]:
        length = self.total_iters
        return range(first - first % length, last + 1, length) if self.cycle else (length,)

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        total: Any = self.total_iters
        if self.cycle:
            total = self.total_iters * np.maximum(-(-count // self.total_iters), 1)
        # What is left as a fraction of whole numbers; as 1 - t / total it is the same number.
        left = n.whole(1) - n.whole(np.minimum(count, total)) / n.whole(total)
        end = n.parameter(self.end_lr)
        height = n.parameter(self.base_lr) - end
        return height * n.power(left, n.parameter(self.power)) + end

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any] | None:
        if self.end_lr != 0 or self.cycle:
            return None
        total, within = n.whole(self.total_iters), count <= self.total_iters
        reached = np.minimum(count, self.total_iters)
        left = n.whole(1) - n.whole(reached) / total
        before = n.whole(1) - n.whole(reached - 1) / total
        scale = n.power(left / before, n.parameter(self.power))
        return Chain(n.where(within, scale, 1.0), n.whole(0), n.whole(0))
