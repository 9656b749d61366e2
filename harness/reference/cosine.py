"""Half a cosine, from the base rate down to a least one; and what comes after it.

Source: Loshchilov and Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts* (2017),
equation 5; `torch.optim.lr_scheduler.CosineAnnealingLR`, which goes on along the cosine, and
`mindspore.nn.CosineDecayLR` and `cosine_decay_lr`, which stay at the least rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat, PositiveInt, SerializeAsAny

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT
from harness.reference.schedule import Chain, Counted, Schedule


class Cosine(Counted):
    """`eta_min + (base_lr - eta_min) * (1 + cos(pi * t / T_max)) / 2`.

    >>> Cosine(base_lr=1.0, eta_min=0.5, T_max=2).rates(np.arange(5), 1).tolist()
    [1.0, 0.75, 0.5, 0.5, 0.5]
    >>> Cosine(base_lr=1.0, eta_min=0.5, T_max=2, periodic=True).rates(np.arange(5), 1).tolist()
    [1.0, 0.75, 0.5, 0.75, 1.0]
    """

    eta_min: FiniteFloat = Field(default=0.0, description="the least rate")
    T_max: PositiveInt = Field(le=MAX_COUNT, description="counts until eta_min")
    periodic: bool = Field(default=False, description="go up again after T_max, else stay")

    def seams(self, first: int, last: int) -> Iterable[int]:
        length = self.T_max
        return range(first - first % length, last + 1, length) if self.periodic else (length,)

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        low, base = n.parameter(self.eta_min), n.parameter(self.base_lr)
        # The schedule repeats itself, and so do its rates, without the rounding of a long argument.
        count = count % (2 * self.T_max) if self.periodic else np.minimum(count, self.T_max)
        return low + (base - low) * n.half_wave(n.whole(count) / n.whole(self.T_max))

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any] | None:
        low, base, total = n.parameter(self.eta_min), n.parameter(self.base_lr), n.whole(self.T_max)
        bottom = (count - 1 - self.T_max) % (2 * self.T_max) == 0
        still = (count > self.T_max) & (not self.periodic)
        above, before = (n.half_wave(n.whole(c) / total) for c in (count, count - 1))
        scale = n.where(bottom | still, 1.0, above / n.where(bottom, 1.0, before))
        rise = (base - low) * n.half_wave(1 - n.whole(1) / total)
        return Chain(scale, low, n.where(bottom & ~still, rise, n.whole(0)))


class Told(Schedule):
    """Another schedule, whose scheduler is told where in it each count is."""

    of: SerializeAsAny[Schedule]
    positions: tuple[float, ...]

    @property
    def per_epoch(self) -> bool:
        """Whether the rate changes between epochs only."""
        return self.of.per_epoch

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        places: Any = np.array(self.positions)[np.minimum(count, len(self.positions) - 1)]
        return self.of.closed(places, n)


def told(schedule: Schedule, epochs: Sequence[float | None]) -> Told:
    """The schedule as its scheduler goes through it: from 0, by 1 where it is told nothing.

    >>> told(WarmRestarts(base_lr=1.0, T_0=2), [1.5, None, 0.5]).positions
    (0.0, 1.5, 2.5, 0.5)
    """
    positions = [0.0]
    for epoch in epochs:
        positions.append(positions[-1] + 1 if epoch is None else max(0.0, epoch))
    return Told(base_lr=schedule.base_lr, of=schedule, positions=tuple(positions))


class WarmRestarts(Counted):
    """The cosine begun anew after `T_0` counts, each time `T_mult` times as long.

    `eta_min + (base_lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2`, `T_cur` counted from the last
    restart and `T_i` the length of the present cycle.

    >>> WarmRestarts(base_lr=1.0, T_0=2, T_mult=2).rates(np.arange(7), 1).round(6).tolist()
    [1.0, 0.5, 1.0, 0.853553, 0.5, 0.146447, 1.0]
    """

    eta_min: FiniteFloat = Field(default=0.0, description="the least rate")
    T_0: PositiveInt = Field(le=MAX_COUNT, description="counts of the first cycle")
    T_mult: PositiveInt = Field(default=1, le=1000, description="how much longer each next one is")

    def seams(self, first: int, last: int) -> Iterable[int]:
        begins, lengths = self.cycle(np.array([first]))
        start, length = int(begins[0]), int(lengths[0])
        while start <= last:
            yield start
            start, length = start + length, length * self.T_mult

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        start, length = self.cycle(count)
        low, base = n.parameter(self.eta_min), n.parameter(self.base_lr)
        return low + (base - low) * n.half_wave(n.whole(count - start) / n.whole(length))

    def cycle(self, count: Int64) -> tuple[Int64, Int64]:
        """Where the present cycle began, and how long it is; shapes as `count`."""
        if self.T_mult == 1:
            return count - count % self.T_0, np.full(count.shape, self.T_0, dtype=np.int64)
        lengths = [self.T_0]
        starts = [0]
        while starts[-1] + lengths[-1] <= int(count.max(initial=0)):
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.T_mult)
        which = np.searchsorted(starts, count, side="right") - 1
        return np.array(starts)[which], np.array(lengths)[which]
