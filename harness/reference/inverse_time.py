"""Inverse-time and natural exponential decay: MindSpore's two further families.

Source: the documented formulas of `mindspore.nn.InverseDecayLR` and `inverse_decay_lr`, and of
`mindspore.nn.NaturalExpDecayLR` and `natural_exp_decay_lr`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, FiniteFloat, PositiveInt

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Counted


class _Decay(Counted):
    decay_rate: FiniteFloat = Field(ge=0, description="how fast the rate falls")
    decay_every: PositiveInt = Field(default=1, le=MAX_COUNT, description="counts per decay")
    staircase: bool = Field(default=False, description="change once every decay_every counts")

    def _reached(self, count: Int64, n: Arithmetic[Any]) -> Any:
        if self.staircase:
            return n.whole(count // self.decay_every)
        return n.whole(count) / n.whole(self.decay_every)


class InverseTime(_Decay):
    """`base_lr / (1 + decay_rate * p)`, with `p = t / decay_every`, or its floor in a staircase.

    >>> import numpy as np
    >>> InverseTime(base_lr=1.0, decay_rate=0.5, decay_every=2).rates(np.array([0, 4]), 1).tolist()
    [1.0, 0.5]
    """

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        # MindSpore divides a number by a Tensor as the number times the reciprocal: two roundings.
        reached = self._reached(count, n)
        return n.parameter(self.base_lr) * (1 / (1 + n.parameter(self.decay_rate) * reached))


class NaturalExponential(_Decay):
    """`base_lr * e ** (-decay_rate * p)`, with `p = t / decay_every`, or its floor in a staircase.

    >>> import numpy as np
    >>> NaturalExponential(base_lr=1.0, decay_rate=1.0, decay_every=2, staircase=True).rates(
    ...     np.array([1, 2]), 1).round(6).tolist()
    [1.0, 0.367879]
    """

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        # As MindSpore has it: its rate is for one count, and its decay_every only makes stairs.
        counted = count // self.decay_every * self.decay_every if self.staircase else count
        exponent = n.per(self.decay_rate, self.decay_every) * n.whole(counted)
        return n.times_exp(n.parameter(self.base_lr), 0 - exponent)
