"""One factor at each of some milestones.

Source: `torch.optim.lr_scheduler.MultiStepLR`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
from pydantic import Field, FiniteFloat, NonNegativeInt

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Chain, Counted


class MultiStep(Counted):
    """`base_lr * gamma ** (number of milestones at or before t)`.

    A milestone that is given twice counts twice.

    >>> MultiStep(base_lr=0.1, gamma=0.5, milestones=[2, 4]).rates(np.arange(5), 1).tolist()
    [0.1, 0.1, 0.05, 0.05, 0.025]
    """

    gamma: FiniteFloat = Field(description="the factor at each milestone")
    milestones: list[Annotated[NonNegativeInt, Field(le=MAX_COUNT)]] = Field(
        description="counts at which the rate changes, in any order"
    )

    def seams(self, first: int, last: int) -> Iterable[int]:
        del first, last
        return self.milestones

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        passed = np.searchsorted(np.sort(self.milestones), count, side="right")
        return n.parameter(self.base_lr) * self._power(passed, n)

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any]:
        times = (count[:, None] == np.array(self.milestones, dtype=np.int64)).sum(axis=1)
        return Chain(self._power(times, n), n.whole(0), n.whole(0))

    def _power(self, times: Int64, n: Arithmetic[Any]) -> Any:
        value = n.power(n.parameter(abs(self.gamma)), n.whole(times))
        sign = np.where(times % 2, np.sign(self.gamma) or 1.0, 1.0)
        return n.where(times == 0, 1.0, n.signed(sign, value))
