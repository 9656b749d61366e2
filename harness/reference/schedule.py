"""What every family of schedules has: a base rate, a unit to count in, and a formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from harness.reference.arithmetic import Arithmetic, Float64, Int64, N, quiet
from harness.reference.double_double import DoubleDouble
from harness.reference.exact import Exact
from harness.reference.line import LONGEST

_SHORT = 2048
"""Lengths up to which nothing is gained by taking a sequence apart."""


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

    def along(self: Chain[DoubleDouble], first: DoubleDouble, length: int) -> DoubleDouble:
        """`first` and all rates that follow it by `length` links, shape `(length + 1,)`.

        Two links after each other are one, so the links are joined by twos, fours, eights ...
        """
        scale = self.scale.spread(length)
        offset = self.center * (1.0 - scale) + self.shift.spread(length)
        reach = 1
        while reach < length:
            later = scale[reach:]
            offset = offset[:reach].followed_by(later * offset[:-reach] + offset[reach:])
            scale = scale[:reach].followed_by(later * scale[:-reach])
            reach *= 2
        return first.spread(1).followed_by(scale * first + offset)


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
    @quiet
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
        return self.exact(steps, steps_per_epoch, {}).rounded()

    def changed(self, steps: Int64, steps_per_epoch: int, changes: dict[int, float]) -> Float64:
        """The rates where somebody sets others from outside, each before the update that it names.

        A recursion goes on from the rate that it finds; any other schedule knows nothing of it and
        comes back at its next count.
        """
        return self.exact(steps, steps_per_epoch, changes).rounded()

    def known(
        self,
        steps: Int64,
        steps_per_epoch: int,
        changes: dict[int, float],
        n: Exact | None = None,
    ) -> tuple[Float64, Float64]:
        """The rates of `changed`, and what they, being float64, lack of the exact ones.

        The latter is NaN where that is not known: where the rate is beyond the range.
        """
        exact = self.exact(steps, steps_per_epoch, changes, n)
        rates = exact.rounded()
        return rates, np.where(np.isfinite(rates), exact.lo, np.nan)

    def remainder(self, steps: Int64, steps_per_epoch: int, changes: dict[int, float]) -> Float64:
        """The second part of `known`."""
        return self.known(steps, steps_per_epoch, changes)[1]

    @quiet
    def exact(
        self,
        steps: Int64,
        steps_per_epoch: int,
        changes: dict[int, float],
        n: Exact | None = None,
        recursive: bool = False,
    ) -> DoubleDouble:
        """The rates as in `changed`, to all digits of `n`, which may hold parameters coarsely.

        `recursive` makes them by the recursion, whose parameters may be others than the formula's.
        """
        n = n or Exact()
        counts = self.counts(steps, steps_per_epoch)
        if recursive and counts[-1] > 0:
            links = self.chain(np.arange(1, int(counts[-1]) + 1), n)
            assert links is not None  # as the caller knows
            rates = links.along(self.closed(np.array([0]), n), int(counts[-1]))[counts]
        else:
            rates = self._at(counts, n)
        if changes and (steps >= min(changes)).any():
            self._change(rates, steps, steps_per_epoch, changes, n)
        return rates

    def seams(self, first: int, last: int) -> Iterable[int]:
        """Counts where another piece of the formula begins; those from `first` to `last` matter."""
        del first, last
        return ()

    def stretches(self, counts: Int64) -> Iterator[slice]:
        """Parts of `counts` that the processor's cache has room for, within one piece if it can be.

        The numbers that a formula makes of counts on its way are lines there.
        """
        length = len(counts)
        if length <= _SHORT:
            yield slice(0, length)
            return
        first, last = int(counts[0]), int(counts[-1])
        # Where counts lie far apart there are no lines to be kept whole.
        seams = sorted(self.seams(first, last)) if last - first < 2 * length else []
        bounds = np.unique(np.searchsorted(counts, np.array(seams, dtype=np.int64)))
        if len(bounds) > length // _SHORT:
            bounds = bounds[:0]
        edges = [0, *bounds.tolist(), length]
        for begin, end in pairwise(edges):
            for start in range(begin, end, LONGEST):
                yield slice(start, min(start + LONGEST, end))

    def _at(self, counts: Int64, n: Exact) -> DoubleDouble:
        """The formula, once for each run of equal counts, and some thousands at a time."""
        changed = counts[1:] != counts[:-1]
        different, starts = counts, None
        if not changed.all():
            starts = np.append(0, np.flatnonzero(changed) + 1)
            different = counts[starts]
        high, low = np.empty(len(different)), np.empty(len(different))
        for here in self.stretches(different):
            rates = self.closed(different[here], n)
            high[here], low[here] = rates.hi, rates.lo
        if starts is not None:
            lengths = np.diff(starts, append=len(counts))
            high, low = np.repeat(high, lengths), np.repeat(low, lengths)
        return DoubleDouble(high, low)

    def _change(
        self,
        rates: DoubleDouble,
        steps: Int64,
        steps_per_epoch: int,
        changes: dict[int, float],
        n: Exact,
    ) -> None:
        first, last = min(changes), int(steps[-1])
        counts = self.counts(np.arange(last + 1), steps_per_epoch)
        links = np.arange(1, max(1, int(counts[-1])) + 1)
        back = self._at(counts, n)
        found = dict(zip(steps.tolist(), range(len(steps)), strict=True))
        rate = n.whole(0)
        for step in range(first, last + 1):
            if step in changes:
                rate = n.parameter(changes[step])
                chain = self.found(int(counts[step]), changes[step]).chain(links, n)
            elif counts[step] != counts[step - 1]:
                rate = back.at(step) if chain is None else chain.after(rate, int(counts[step]) - 1)
            if step in found:
                rates.hi[found[step]], rates.lo[found[step]] = rate.hi, rate.lo


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
