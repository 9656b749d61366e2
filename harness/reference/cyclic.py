"""Up and down between two rates, again and again; and up and down once.

Source: Smith, *Cyclical Learning Rates for Training Neural Networks* (2017), section 3, for
`Cyclic`; Smith and Topin, *Super-Convergence* (2018), in the form of
`torch.optim.lr_scheduler.OneCycleLR`, for `OneCycle`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Counted


class Cyclic(Counted):
    """Triangles between `base_lr` and `max_lr`.

    `triangular2` halves their height at each cycle, `exp_range` multiplies it by
    `gamma ** t`.

    >>> Cyclic(base_lr=0.0, max_lr=1.0, step_size_up=2, step_size_down=4).rates(
    ...     np.arange(8), 1).tolist()
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.5]
    >>> Cyclic(base_lr=0.0, max_lr=1.0, step_size_up=1, policy="triangular2").rates(
    ...     np.arange(6), 1).tolist()
    [0.0, 1.0, 0.0, 0.5, 0.0, 0.25]
    """

    max_lr: FiniteFloat = Field(description="the rate at the first peak")
    step_size_up: PositiveInt = Field(le=MAX_COUNT, description="counts from base_lr to the peak")
    step_size_down: PositiveInt | None = Field(
        default=None, le=MAX_COUNT, description="counts back; by default as many"
    )
    policy: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: FiniteFloat = Field(default=1.0, ge=0, description="factor of exp_range")

    @model_validator(mode="after")
    def _gamma_is_used(self) -> Cyclic:
        if self.gamma != 1 and self.policy != "exp_range":
            raise ValueError(f"gamma means nothing to policy {self.policy}")
        return self

    def seams(self, first: int, last: int) -> Iterable[int]:
        up = self.step_size_up
        length = up + (self.step_size_down or up)
        begins = range(first - first % length, last + 1, length)
        return (at for start in begins for at in (start, start + up))

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        up = self.step_size_up
        down = self.step_size_down or up
        # As the frameworks have it: the place in the cycle is what is left of t / length after the
        # whole cycles are taken away, and that costs digits far out.
        cycle = count // (up + down)
        length = n.whole(up + down)
        place = 1 + n.whole(count) / length - n.whole(cycle + 1)
        turn = n.whole(up) / length
        # At the peak both slopes give 1, and rounding decides which is taken: look at the steeper.
        rising = count % (up + down) < up + (up <= down)
        height = n.where(rising, place / turn, (place - 1) / (turn - 1))
        if self.policy == "triangular2":
            height = height * n.power(n.whole(2), -n.whole(cycle))
        elif self.policy == "exp_range":
            height = height * n.power(n.parameter(self.gamma), n.whole(count))
        base, top = n.parameter(self.base_lr), n.parameter(self.max_lr)
        return base + (top - base) * height


class OneCycle(Counted):
    """From `max_lr / div_factor` up to `max_lr`, then down to a small fraction of the start.

    The phases end at `pct_start * total_steps - 1` and `total_steps - 1`; with `three_phase` the
    way down takes as long as the way up and ends at the start, before the last phase. `base_lr` is
    the start, `max_lr / div_factor`.

    >>> OneCycle(base_lr=0.25, max_lr=1.0, div_factor=4.0, final_div_factor=2.5, total_steps=9,
    ...          pct_start=1/3, anneal="linear").rates(np.arange(9), 1).round(9).tolist()
    [0.25, 0.625, 1.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1]
    """

    max_lr: FiniteFloat = Field(description="the rate at the peak")
    total_steps: PositiveInt = Field(le=MAX_COUNT, description="updates in the whole cycle")
    pct_start: FiniteFloat = Field(default=0.3, ge=0, le=1, description="fraction of the way up")
    anneal: Literal["cos", "linear"] = "cos"
    div_factor: FiniteFloat = Field(default=25.0, gt=0)
    final_div_factor: FiniteFloat = Field(default=1e4, gt=0)
    three_phase: bool = False

    @model_validator(mode="after")
    def _starts_where_it_says(self) -> OneCycle:
        # As a part of a composition it is given none, and takes its own.
        given = "base_lr" in self.model_fields_set
        if given and self.base_lr != self.max_lr / self.div_factor:
            raise ValueError(f"base_lr is max_lr / div_factor, {self.max_lr / self.div_factor!r}")
        return self

    def seams(self, first: int, last: int) -> Iterable[int]:
        del first, last
        peak = Fraction(self.pct_start) * self.total_steps - 1
        return (math.floor(peak) + 1, math.floor(2 * peak) + 1)

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        top, share = n.parameter(self.max_lr), n.parameter(self.pct_start)
        start = top / n.parameter(self.div_factor)
        end = start / n.parameter(self.final_div_factor)
        total = self.total_steps
        peak = Fraction(self.pct_start) * total - 1
        phases = [(share * n.whole(total) - 1, peak, start, top)]
        if self.three_phase:
            phases.append((2 * share * n.whole(total) - 2, 2 * peak, top, start))
        low = start if self.three_phase else top
        phases.append((n.whole(total - 1), Fraction(total), low, end))
        begins: Any = n.whole(0)
        before = np.zeros(count.shape, dtype=bool)
        rates: Any = n.whole(0 * count)
        for ends, limit, low, high in phases:
            here = ~before & (count <= math.floor(limit))
            share_done = (n.whole(count) - begins) / (ends - begins)
            share_done = n.where(here, share_done, 0.0)
            rates = n.where(here, self._between(low, high, share_done, n), rates)
            before |= here
            begins = ends
        return rates

    def _between(self, start: Any, end: Any, done: Any, n: Arithmetic[Any]) -> Any:
        if self.anneal == "linear":
            return (end - start) * done + start
        return end + (start - end) * n.half_wave(done)
