"""What every family of schedules has: a base rate, a unit to count in, and a formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from harness.reference.arithmetic import Arithmetic, Float64, Int64, N
from harness.reference.double_double import Exact


@dataclass(frozen=True)
class Chain(Generic[N]):
    """How each rate comes from the one before: `(rate - center) * scale + center + shift`.

    The arrays have an entry for each count from 1 on. A scale of exactly 1 with a shift of exactly
    0 leaves the rate alone.
    """

    scale: N
    center: N
    shift: N

    def after(self, rate: N, index: int) -> N:
        """The rate that follows `rate`, by the link at `index`."""
        scale, center, shift = (term.at(index) for term in (self.scale, self.center, self.shift))
        following: N = (rate - center) * scale + center + shift
        return following


class Schedule(BaseModel):
    """The parameters of a schedule, in its family's own terms.

    `closed` is the family's formula, written once for every arithmetic. `chain` is the same
    schedule as a recursion, for families that frameworks realise so: there a rate that somebody
    sets from outside is what the next one is made from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    base_lr: FiniteFloat = Field(description="the learning rate that the schedule starts from")

    @property
    def per_epoch(self) -> bool:
        """Whether the rate changes between epochs only."""
        raise NotImplementedError

    def counts(self, steps: Int64, steps_per_epoch: int) -> Int64:
        """Updates or epochs already made at `steps`; shape as `steps`."""
        return steps // steps_per_epoch if self.per_epoch else steps

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        """The rates at `count`, shape `(n,)`, from at least 0, in the arithmetic `n`."""
        raise NotImplementedError

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any] | None:
        """The recursion's terms for each of `count`, from 1 on; None if the family has none."""
        del count, n
        return None

    @property
    def chainable(self) -> bool:
        """Whether the family is a recursion too."""
        return self.chain(np.array([1]), Exact()) is not None

    def found(self, count: int, rate: float) -> Schedule:
        """The schedule as its recursion goes on where it finds `rate` at `count`.

        It is the same, unless what is done depends on the rate.
        """
        del count, rate
        return self

    def rates(self, steps: Int64, steps_per_epoch: int) -> Float64:
        """The learning rate after `steps` updates, float64, shape as `steps`, within 2 ULP."""
        exact = self.closed(self.counts(steps, steps_per_epoch), Exact()).rounded()
        return np.array(np.broadcast_to(exact, steps.shape))

    def changed(self, steps: Int64, steps_per_epoch: int, changes: dict[int, float]) -> Float64:
        """The rates where somebody sets others from outside, each before the update that it names.

        A recursion goes on from the rate that it finds; any other schedule knows nothing of it and
        comes back at its next count.
        """
        rates = self.rates(steps, steps_per_epoch)
        if not changes or not (steps >= min(changes)).any():
            return rates
        exact, first, last = Exact(), min(changes), int(steps[-1])
        counts = self.counts(np.arange(last + 1), steps_per_epoch)
        links = np.arange(1, max(1, int(counts[-1])) + 1)
        back = self.closed(counts, exact)
        found = dict(zip(steps.tolist(), range(len(steps)), strict=True))
        rate = exact.whole(0)
        for step in range(first, last + 1):
            if step in changes:
                rate = exact.parameter(changes[step])
                chain = self.found(int(counts[step]), changes[step]).chain(links, exact)
            elif counts[step] != counts[step - 1]:
                rate = back.at(step) if chain is None else chain.after(rate, int(counts[step]) - 1)
            if step in found:
                rates[found[step]] = rate.rounded()
        return rates


class Counted(Schedule):
    """A schedule that says in a word what it counts."""

    counted_in: Literal["updates", "epochs"] = Field(
        default="updates",
        description="what the schedule counts; within an epoch the rate stands still",
    )

    @property
    def per_epoch(self) -> bool:
        """Whether the rate changes between epochs only."""
        return self.counted_in == "epochs"
