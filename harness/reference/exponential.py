"""Exponential decay: smooth or in stairs, per update or per epoch.

Source: the documented formulas of `mindspore.nn.ExponentialDecayLR`,
`mindspore.nn.exponential_decay_lr` and `torch.optim.lr_scheduler.ExponentialLR` and `StepLR`, all
of which are `base_lr * decay_rate ** p` and differ in what `p` is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.reference.arithmetic import Arithmetic
from harness.reference.elementary import MAX_COUNT, Float64, Int64, scaled_power
from harness.reference.schedule import Chain, Schedule


def exponential(
    count: Int64, base_lr: float, decay_rate: float, decay_every: int = 1, staircase: bool = False
) -> Float64:
    r"""`base_lr * decay_rate ** p`, with `p = count / decay_every`, or its floor in a staircase.

    Args:
        count: updates or epochs already made, shape `(n,)`, from 0 to `MAX_COUNT`.
        base_lr: the rate at count 0.
        decay_rate: the factor gained over `decay_every` counts; negative only where every
            exponent is whole.
        decay_every: counts per decay, at least 1.
        staircase: decay once every `decay_every` counts instead of a little at each.

    Returns:
        The learning rates, float64, shape `(n,)`, within 2 ULP of the exact value.

    >>> exponential(np.array([0, 2, 4]), base_lr=0.1, decay_rate=0.25, decay_every=4).tolist()
    [0.1, 0.05, 0.025]
    >>> exponential(np.array([0, 3, 4]), 1.0, 0.5, decay_every=4, staircase=True).tolist()
    [1.0, 1.0, 0.5]
    """
    whole, parts = (count // decay_every, 1) if staircase else (count, decay_every)
    sign = np.where(whole % 2, np.sign(decay_rate), 1.0) if decay_rate < 0 else 1.0
    return np.asarray(sign * scaled_power(base_lr, decay_rate, whole, parts))


class Exponential(Schedule):
    """The parameters of exponential decay.

    Exactly one of `decay_steps` and `decay_epochs` says how far the decay by `decay_rate` reaches.
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
        return n.parameter(self.base_lr) * self._power(count, n)

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any]:
        if self.decay_every > 1 and not self.staircase:
            root = n.root(self.decay_rate, self.decay_every)
            return Chain(n.where(count > 0, root, 1.0), n.whole(0), n.whole(0))
        falls = count % self.decay_every == 0
        rate = n.signed(np.sign(self.decay_rate), n.parameter(abs(self.decay_rate)))
        return Chain(n.where(falls, rate, 1.0), n.whole(0), n.whole(0))

    def _power(self, count: Int64, n: Arithmetic[Any]) -> Any:
        rate, whole = n.parameter(abs(self.decay_rate)), count // self.decay_every
        if not self.staircase and self.decay_every > 1:
            return n.power(rate, n.whole(count) / n.whole(self.decay_every))
        sign = np.where(whole % 2, np.sign(self.decay_rate) or 1.0, 1.0)
        return n.where(whole == 0, 1.0, n.signed(sign, n.power(rate, n.whole(whole))))

    def rates(self, steps: Int64, steps_per_epoch: int) -> Float64:
        """The learning rate after `steps` updates, float64, shape as `steps`."""
        return exponential(
            self.counts(steps, steps_per_epoch),
            self.base_lr,
            self.decay_rate,
            self.decay_every,
            self.staircase,
        )
