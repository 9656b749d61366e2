"""What was observed of a diverging trial, and whether a hypothesis reproduces it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from harness import closeness
from harness.budget import REFERENCE_ULP, computed, seen, unit_roundoff
from harness.catalogue import Call, Form, Implementation, Precision, Training, Unsupported, express
from harness.comparison import APPLIED, Comparison, Due
from harness.reference import OneCycle, Schedule
from harness.reference.arithmetic import Float64, Int64, Mask

TELLING = 8
"""Steps at which a hypothesis is tried before it is held against all of them."""
_ROUGH = 64.0
"""Budgets that it may be off by there, in plain float64 arithmetic."""


@dataclass(frozen=True)
class Variation:
    """Another training than the one that was asked for, as a parameter group sees it.

    Attributes:
        schedule: what is followed.
        steps: the updates that the schedule takes for made, at each observed step.
        steps_per_epoch: of that training.
        changes: rates set from outside, in place of the training's own.
        precision: what it is computed in, if not in the implementation's.
        form: how it is computed, if not in the implementation's way.
        derived: numbers of the schedule that are rounded themselves.
    """

    schedule: Schedule
    steps: Int64
    steps_per_epoch: int
    changes: dict[int, float] | None = None
    precision: Precision | None = None
    form: Form | None = None
    derived: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True)
class Prediction:
    """The rates of a hypothesis, how far off its own arithmetic may be, and its precision."""

    rates: Float64
    error: Float64
    precision: Precision


@dataclass(frozen=True)
class Group:
    """One parameter group of a trial: what was asked for, what was due, and what came.

    `sequences` are those that a hypothesis has to reproduce; `others` are as due.
    """

    number: int
    family: str
    schedule: Schedule
    call: Call
    training: Training
    implementation: Implementation
    due: Due
    sequences: tuple[Comparison, ...]
    others: tuple[Comparison, ...]

    @property
    def steps(self) -> Int64:
        """The observed steps."""
        return self.due.steps

    @property
    def every(self) -> int:
        """Updates in an epoch."""
        return self.training.steps_per_epoch

    @property
    def first_change(self) -> float:
        """The step before which nobody sets a rate from outside, infinite where nobody does."""
        return min(self.training.changes, default=math.inf)

    @property
    def asked(self) -> Variation:
        """What was asked for, which hypotheses are variations of."""
        return Variation(self.schedule, self.steps, self.every)

    @cached_property
    def as_due(self) -> Prediction:
        """The prediction that was not met."""
        error = self.due.error + _rounding(self.due.reference)
        return Prediction(self.due.reference, error, self.implementation.precision)

    @cached_property
    def off(self) -> Mask:
        """Where any of the sequences is not as due."""
        off: Mask = np.zeros(len(self.steps), dtype=bool)
        for sequence in self.sequences:
            off |= np.isin(self.steps, sequence.diverging)
        return off

    @cached_property
    def telling(self) -> Int64:
        """Indices of a few steps at which a wrong hypothesis is likely to fail."""
        usable = np.flatnonzero(self.steps < self.first_change)
        off = usable[self.off[usable]]
        if not len(off):
            return np.asarray(usable[:: max(1, len(usable) // TELLING)][:TELLING])
        spread = off[np.linspace(0, len(off) - 1, TELLING - 2).astype(int)]
        return np.asarray(np.unique([usable[0], *spread, usable[-1]]))

    def may_be(self, variation: Variation) -> bool:
        """Whether a rough calculation at the telling steps leaves the variation possible."""
        at, changes = self.telling, variation.changes
        if changes is not None:
            at = at[self.steps[at] < min(changes, default=np.inf)]
        return bool(len(at) == 0 or self.roughly(plain(variation, at), at).all())

    def roughly(self, rates: Float64, at: Int64) -> Mask:
        """Where the observed values at some indices may be `rates`; any shape that ends in them."""
        due, own = self.due.reference[at], unit_roundoff(self.implementation.precision)
        possible: Mask = np.ones(rates.shape, dtype=bool)
        for sequence in self.sequences:
            u = max(own, unit_roundoff(sequence.precision))
            observed, allowed = sequence.observed[at], self.allowed(self.as_due, sequence)[at]
            with np.errstate(all="ignore"):
                relative = np.fmax(np.where(due == 0, 0.0, allowed / np.abs(due)), 16 * u)
                room = _ROUGH * (allowed + relative * np.abs(rates))
                room = room + max(1e-10, 16 * u) * self._greatest
                same = (np.abs(observed - rates) <= room) | (observed == rates)
            possible &= same | (np.isnan(observed) & np.isnan(rates)) | np.isinf(rates)
        return possible

    @cached_property
    def _greatest(self) -> float:
        finite = [s.observed[np.isfinite(s.observed)] for s in self.sequences]
        return float(max(np.abs(values).max(initial=0.0) for values in finite))

    def predicted(self, variation: Variation) -> Prediction:
        """The rates of a variation at the observed steps, and their budget before they are seen."""
        schedule, training = variation.schedule, self.training
        changes = training.changes if variation.changes is None else variation.changes
        training = replace(training, steps_per_epoch=variation.steps_per_epoch, changes=changes)
        implementation = replace(
            self.implementation,
            precision=variation.precision or self.implementation.precision,
            form=variation.form or self.implementation.form,
        )
        steps, back = np.unique(variation.steps, return_inverse=True)
        rates = schedule.changed(steps, training.steps_per_epoch, changes)
        rates = _defined(schedule, schedule.counts(steps, training.steps_per_epoch), rates)
        call = self._call(variation, training)
        error = computed(schedule, call, training, steps, rates, implementation)
        error = error + _rounding(rates)
        return Prediction(rates[back], error[back], implementation.precision)

    def _call(self, variation: Variation, training: Training) -> Call:
        """The call that would have asked for the variation, for what it rounds on the way."""
        call: Call | Unsupported = self.call
        if variation.schedule is not self.schedule:
            call = Unsupported("of another family")
            if isinstance(variation.schedule, type(self.schedule)):
                call = express(self.implementation, self.family, variation.schedule, training)
        if isinstance(call, Unsupported):
            call = replace(self.call, realises=None)
        return replace(call, derived=call.derived | variation.derived)

    def allowed(self, prediction: Prediction, sequence: Comparison) -> Float64:
        """The error that a prediction allows a sequence, as it is seen."""
        applied = sequence.name.startswith(APPLIED)
        return seen(
            prediction.error,
            prediction.rates,
            prediction.precision,
            sequence.precision,
            self.training.optimizer if applied else "SGD",
        )

    def _within(self, prediction: Prediction, sequence: Comparison) -> Mask:
        due = closeness.rounded_if_infinite(prediction.rates, np.dtype(sequence.precision))
        wrong = closeness.wrong(sequence.observed, due, self.allowed(prediction, sequence))
        nothing = np.isnan(sequence.observed)
        return np.where(np.isnan(due) | nothing, np.isnan(due) & nothing, ~wrong)

    def reproduces(self, prediction: Prediction, sequence: Comparison) -> bool:
        """Whether a sequence is within the budget of a prediction, at every step."""
        return bool(self._within(prediction, sequence).all())

    def testimony(self, prediction: Prediction) -> int | None:
        """How many values speak for a prediction, or None where one speaks against it.

        A value speaks for it where it is off what was due by more than the prediction allows, and
        where the prediction says more than that the rate is small.
        """
        speaks: Any = False
        for sequence in self.sequences:
            if not self.reproduces(prediction, sequence):
                return None
            off = closeness.error(sequence.observed, self.due.reference)
            allowed, size = self.allowed(prediction, sequence), np.abs(prediction.rates)
            says = (allowed <= size / 4) | (size == 0) | np.isnan(size)
            speaks = speaks | ((off > allowed) & says)
        return int(np.count_nonzero(speaks & self.off))


class _Plain:
    """Plain float64 arithmetic: quick, and right to about a dozen digits."""

    def parameter(self, value: float) -> Any:
        return _number(value)

    def whole(self, counts: Int64 | int) -> Any:
        return _number(counts)

    def root(self, value: float, degree: int) -> Any:
        return _number(value ** (1 / degree))

    def per(self, value: float, parts: int) -> Any:
        return _number(value / parts)

    def power(self, base: Any, exponent: Any) -> Any:
        return _number(np.power(base, exponent))

    def times_power(self, scale: Any, base: Any, exponent: Any) -> Any:
        return scale * self.power(base, exponent)

    def exp(self, x: Any) -> Any:
        return _number(np.exp(x))

    def times_exp(self, scale: Any, x: Any) -> Any:
        return scale * self.exp(x)

    def half_wave(self, share: Any) -> Any:
        return (1 + np.cos(np.pi * share)) / 2

    def where(self, mask: Mask, one: Any, other: Any) -> Any:
        return _number(np.where(mask, one, other))

    def signed(self, sign: Float64, x: Any) -> Any:
        return sign * x


class _Numbers(np.ndarray[Any, Any]):
    def at(self, index: int) -> Any:
        return self[index] if self.ndim else self


def _number(value: Any) -> Any:
    return np.asarray(value, dtype=np.float64).view(_Numbers)


_PLAIN = _Plain()


def plain(variation: Variation, at: Int64 | slice) -> Float64:
    """The rates of a variation at some of the observed steps, roughly, without outside changes."""
    schedule = variation.schedule
    counts = schedule.counts(variation.steps[at], variation.steps_per_epoch)
    with np.errstate(all="ignore"):
        rates = np.asarray(np.broadcast_to(schedule.closed(counts, _PLAIN), counts.shape))
    return _defined(schedule, counts, rates)


def _rounding(rates: Float64) -> Float64:
    """How far the reference models may be off, which are float64 themselves."""
    finite = np.where(np.isfinite(rates), np.abs(rates), 0.0)
    return np.asarray(REFERENCE_ULP * np.spacing(finite))


def _defined(schedule: Schedule, counts: Int64, rates: Float64) -> Float64:
    """The rates, but for those after a single cycle, of which its model says nothing."""
    if isinstance(schedule, OneCycle):
        return np.where(counts < schedule.total_steps, rates, np.nan)
    return rates
