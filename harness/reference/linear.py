"""From one factor of the base rate to another along a line, then constant: warm-ups and decays.

Source: `torch.optim.lr_scheduler.LinearLR` (its documented factor, and the closed form that its
recursion is of) and `mindspore.nn.WarmUpLR`, which is the line from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat, PositiveInt

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Chain, Counted


class Linear(Counted):
    """`base_lr * (start + (end - start) * min(t, total) / total)`.

    >>> Linear(base_lr=0.1, start_factor=0.0, end_factor=1.0, total_iters=4).rates(
    ...     np.array([0, 1, 2, 4, 9]), 1).tolist()
    [0.0, 0.025, 0.05, 0.1, 0.1]
    """

    start_factor: FiniteFloat = Field(description="factor at count 0")
    end_factor: FiniteFloat = Field(description="factor from total_iters on")
    total_iters: PositiveInt = Field(le=MAX_COUNT, description="counts from one to the other")

    def seams(self, first: int, last: int) -> Iterable[int]:
        del first, last
        return (self.total_iters,)

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        start, end = n.parameter(self.start_factor), n.parameter(self.end_factor)
        done = n.whole(np.minimum(count, self.total_iters))
        base, total = n.parameter(self.base_lr), n.whole(self.total_iters)
        within = base * (start + (end - start) * done / total)
        # As the line ends, who divides first has an exact 1; who multiplies first rounds twice.
        ended = base * start + base * (end - start) * done / total
        return n.where(count >= self.total_iters, ended, within)

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any] | None:
        if self.start_factor == 0:
            return None
        start, end = n.parameter(self.start_factor), n.parameter(self.end_factor)
        within = count <= self.total_iters
        done = n.whole(np.minimum(count, self.total_iters) - 1)
        last = n.whole(self.total_iters) * start + done * (end - start)
        return Chain(n.where(within, 1 + (end - start) / last, 1.0), n.whole(0), n.whole(0))
