"""Exponential decay: smooth or in stairs, per update or per epoch.

Source: the documented formulas of `mindspore.nn.ExponentialDecayLR`,
`mindspore.nn.exponential_decay_lr` and `torch.optim.lr_scheduler.ExponentialLR` and `StepLR`, all
of which are `base_lr * decay_rate ** p` and differ in what `p` is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Chain, Schedule


class Exponential(Schedule):
    r"""`base_lr * decay_rate ** p`, with `p = count / decay_every`, or its floor in a staircase.

    Exactly one of `decay_steps` and `decay_epochs` says how far the decay by `decay_rate` reaches.

    >>> Exponential(base_lr=0.1, decay_rate=0.25, decay_steps=4).rates(
    ...     np.array([0, 2, 4]), 1).tolist()
    [0.1, 0.05, 0.025]
    >>> Exponential(base_lr=1.0, decay_rate=0.5, decay_steps=4, staircase=True).rates(
    ...     np.array([0, 3, 4]), 1).tolist()
    [1.0, 1.0, 0.5]
    """

    decay_rate: FiniteFloat = Field(
        description="the factor by which the rate changes over decay_steps or decay_epochs"
    )
    decay_steps: PositiveInt | None = Field(
        default=None,
        le=MAX_COUNT,
        description="optimizer updates over which the rate changes by decay_rate once",
    )
    decay_epochs: PositiveInt | None = Field(
        default=None,
        le=MAX_COUNT,
        description="epochs over which the rate changes by decay_rate once; "
        "within an epoch the rate stands still",
    )
    staircase: bool = Field(
        default=False,
        description="change once every decay_steps or decay_epochs, not a little at each",
    )

    @model_validator(mode="after")
    def _one_unit_and_whole_exponents(self) -> Exponential:
        if (self.decay_steps is None) == (self.decay_epochs is None):
            raise ValueError("give exactly one of decay_steps and decay_epochs")
        if self.decay_rate < 0 and self.decay_every > 1 and not self.staircase:
            raise ValueError("a negative decay_rate has no real fractional power: set staircase")
        return self

    @property
    def per_epoch(self) -> bool:
        """Whether the rate changes between epochs only."""
        return self.decay_epochs is not None

    @property
    def decay_every(self) -> int:
        """Updates or epochs per decay."""
        return self.decay_steps or self.decay_epochs or 1

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        base, rate = n.parameter(self.base_lr), n.parameter(abs(self.decay_rate))
        if not self.staircase and self.decay_every > 1:
            return n.times_power(base, rate, n.whole(count) / n.whole(self.decay_every))
        whole = count // self.decay_every if self.decay_every > 1 else count
        value = n.times_power(base, rate, n.whole(whole))
        if self.decay_rate < 0:
            value = n.signed(np.where(whole % 2, -1.0, 1.0), value)
        return n.where(whole == 0, base, value)

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any]:
        if self.decay_every > 1 and not self.staircase:
            root = n.root(abs(self.decay_rate), self.decay_every)
            return Chain(n.where(count > 0, root, 1.0), n.whole(0), n.whole(0))
        falls = count % self.decay_every == 0
        rate = n.signed(np.sign(self.decay_rate), n.parameter(abs(self.decay_rate)))
        return Chain(n.where(falls, rate, 1.0), n.whole(0), n.whole(0))
