"""The best that a precision can do: exact arithmetic on parameters as that precision holds them."""

from __future__ import annotations

import numpy as np

from harness.catalogue import Call, Form, Implementation, Precision, Training
from harness.reference import Schedule
from harness.reference.arithmetic import Float64, Int64, quiet
from harness.reference.double_double import DoubleDouble
from harness.reference.exact import Exact


class Held(Exact):
    """Exact arithmetic, but for parameters: each is rounded to `precision` when it is passed."""

    def __init__(self, precision: Precision) -> None:
        self._dtype = np.dtype(precision)

    @quiet
    def parameter(self, value: float) -> DoubleDouble:
        return DoubleDouble(float(self._dtype.type(value)))

    def root(self, value: float, degree: int) -> DoubleDouble:
        return self.parameter(value ** (1 / degree))

    def per(self, value: float, parts: int) -> DoubleDouble:
        return self.parameter(value / parts)


def best(
    schedule: Schedule, call: Call, training: Training, steps: Int64, implementation: Implementation
) -> Float64:
    """The rates that exact arithmetic makes of the parameters as the implementation holds them.

    float64, shape as `steps`, not yet rounded to the precision in which they are seen. Arguments as
    in `budget`. Where the API is passed a root of a parameter, it is the root that is held, and the
    rates are those of the recursion.
    """
    evaluated = call.realises or schedule
    recursive = implementation.form is Form.RECURSIVE and training.stepping == "plain"
    return evaluated.exact(
        steps,
        training.steps_per_epoch,
        training.changes,
        Held(implementation.precision),
        recursive and bool(call.derived) and evaluated.chainable,
    ).rounded()


def holds_all(call: Call, implementation: Implementation) -> bool:
    """Whether `best` is what exact arithmetic makes of a schedule whose parameters float64 holds.

    That is the reference model's own rate.
    """
    own = call.realises is None and not call.derived
    return own and implementation.precision is Precision.FLOAT64
