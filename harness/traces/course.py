"""One sequence of two traces, as hypotheses look at it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness import closeness
from harness.budget import unit_roundoff
from harness.catalogue import Precision
from harness.reference.arithmetic import Float64, Int64

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Course:
    """Rates by update, shape `(n,)`, all known; `steps` is strictly increasing."""

    steps: Int64
    rates: Float64

    @property
    def known(self) -> Int64:
        """The steps with a rate."""
        return self.steps

    @cached_property
    def first(self) -> int:
        """The first step."""
        return int(self.steps[0])

    @cached_property
    def last(self) -> int:
        """The last step."""
        return int(self.steps[-1])

    @cached_property
    def is_dense(self) -> bool:
        """Whether there is a rate at every step."""
        return self.last - self.first + 1 == len(self.steps)

    def at(self, steps: Int64) -> Float64:
        """The rates at `steps`, shape as `steps`; NaN where there is none."""
        inside = (steps >= self.first) & (steps <= self.last)
        if self.is_dense:
            found = self.rates[np.where(inside, steps - self.first, 0)]
            return np.where(inside, found, np.nan)
        at = np.minimum(np.searchsorted(self.steps, steps), len(self.steps) - 1)
        return np.where(self.steps[at] == steps, self.rates[at], np.nan)

    @cached_property
    def changes(self) -> Int64:
        """The steps whose rate is not that of the entry before."""
        return np.asarray(self.steps[1:][np.diff(self.rates) != 0], dtype=np.int64)

    @cached_property
    def stairs(self) -> int:
        """The length of its stairs: the greatest of which each change is at a multiple; or 0."""
        return math.gcd(*map(int, self.changes)) if self.is_dense else 0

    @cached_property
    def is_slope(self) -> bool:
        """Whether it changes at most updates between its first and its last change."""
        if not self.is_dense or len(self.changes) < 2:
            return False
        return 2 * len(self.changes) > int(self.changes[-1] - self.changes[0]) + 1

    @cached_property
    def pace(self) -> str:
        """How often it changes, for a sentence: `at every update`, or at how many of them."""
        changes, updates = len(self.changes), len(self.steps) - 1
        return "at every update" if changes == updates else f"at {changes} of {updates} updates"

    @cached_property
    def jumps_seldom(self) -> bool:
        """Whether it changes at one step in twenty at the most."""
        return len(self.changes) * 20 <= len(self.steps)

    @cached_property
    def top(self) -> int | None:
        """Where a warm-up has come to its end: the first greatest rate, if all rise up to it."""
        at = int(np.argmax(self.rates))
        rises = at > 0 and bool((np.diff(self.rates[: at + 1]) >= 0).all())
        return int(self.steps[at]) if rises else None


@dataclass(frozen=True)
class Predicted:
    """What a hypothesis says of some steps.

    Attributes:
        rates: NaN where it says nothing.
        free: where it may say nothing.
        error: the hypothesis's own uncertainty.
        counts: how far a recursion has come that gives these rates, if not as far as the steps.
    """

    rates: Float64
    free: Mask | np.bool_ = field(default_factory=lambda: np.bool_(False))
    error: Float64 | float = 0.0
    counts: Int64 | None = None


@dataclass(frozen=True, eq=False)
class Pair:
    """A sequence in both traces, the second's steps as the alignment has them.

    `one` and `other` are the rates at `steps`, those that both have.
    """

    name: str
    first: Course
    second: Course
    precisions: tuple[Precision, Precision]
    steps: Int64
    one: Float64
    other: Float64
    resumed: tuple[int, ...] = ()

    @property
    def group(self) -> int:
        """The parameter group."""
        return int(self.name.partition(" ")[2] or 0)

    @property
    def kind(self) -> str:
        """`reported` or `applied`."""
        return self.name.partition(" ")[0]

    @property
    def precision(self) -> Precision:
        """The coarser one."""
        return max(self.precisions, key=unit_roundoff)

    @cached_property
    def greatest(self) -> float:
        """The greatest rate that both of them have somewhere."""
        tops = [np.abs(c.rates[np.isfinite(c.rates)]).max(initial=0) for c in self.courses]
        return float(min(tops))

    @property
    def courses(self) -> tuple[Course, Course]:
        """Both."""
        return self.first, self.second

    def off(self, steps: Int64, allowed: Float64) -> Mask:
        """Where the two are apart by more than is allowed; False where one has no rate."""
        one, other = self.first.at(steps), self.second.at(steps)
        error = closeness.error(other, one)
        both = ~(np.isnan(one) | np.isnan(other))
        return np.asarray(both & ~((error <= allowed) & np.isfinite(error)))

    @cached_property
    def begins(self) -> int | None:
        """The first step at which they are apart by more than roundings; None if there is none."""
        u = unit_roundoff(self.precision)
        off = self.off(self.steps, np.full(len(self.steps), 16 * u * self.greatest))
        return int(self.steps[np.argmax(off)]) if off.any() else None

    def glance(self, steps: Int64, count: int) -> Int64:
        """Some of `steps`: spread over all of them, and the first of those where they differ."""
        spread = steps[:: max(1, len(steps) // count)]
        at = int(np.searchsorted(steps, self.begins or 0))
        near = steps[max(0, at - 2) : at + count // 4]
        return np.asarray(np.unique(np.concatenate([spread, near])), dtype=np.int64)


def holds_still(rates: Float64, allowed: float) -> bool:
    """Whether all rates are one, within what is allowed."""
    return len(rates) > 0 and bool(np.ptp(rates) <= allowed)
