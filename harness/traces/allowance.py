"""How far two traces of one schedule may be apart; docs/tolerance.md derives it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import closeness
from harness.budget import unit_roundoff
from harness.case import Tolerance
from harness.catalogue import Precision
from harness.catalogue.model import limits
from harness.reference.arithmetic import Float64, Int64

ROUNDINGS = 16
"""Of the greatest rate, in a formula evaluated once."""
ROUNDINGS_A_STEP = 2
"""Of the rate, in a recursion: that of its factor, and that of the product."""


@dataclass(frozen=True)
class Allowance:
    """The error let pass at each step: `closed` by a formula, `recursive` by a recursion."""

    closed: Float64
    recursive: Float64


def allowance(
    steps: Int64,
    one: Float64,
    other: Float64,
    precisions: tuple[Precision, Precision],
    greatest: float | None = None,
) -> Allowance:
    """What two correct implementations may be apart, shape as `steps`.

    Args:
        steps: updates already made, as the longer recursion counts them.
        one: rates, NaN where unknown.
        other: rates, NaN where unknown.
        precisions: in which each of them was computed and held.
        greatest: the greatest rate, if not the greatest of these.
    """
    size = _finite(np.fmin(np.abs(one), np.abs(other)))
    top = float(size.max(initial=0.0)) if greatest is None else greatest
    closed, recursive = np.zeros(len(steps)), np.zeros(len(steps))
    for precision in precisions:
        u = unit_roundoff(precision)
        closed += _gamma(ROUNDINGS, u) * top + float(limits(precision).smallest_normal)
        recursive += _gamma(ROUNDINGS_A_STEP * np.maximum(steps, 0), u) * size
    return Allowance(closed, closed + recursive)


def tolerated(tolerance: Tolerance, one: Float64, precision: Precision) -> Allowance:
    """What somebody asks for instead; relative to the first."""
    allowed = closeness.tolerated(tolerance, one, np.dtype(precision))
    return Allowance(allowed, allowed)


def _finite(size: Float64) -> Float64:
    return np.where(np.isfinite(size), size, 0.0)


def _gamma(roundings: Int64 | int, u: float) -> Float64:
    """Higham's γ, and 1 where it is more: nothing is left of the rate then."""
    lost = np.asarray(roundings * u, dtype=np.float64)
    return np.where(lost < 0.5, lost / (1 - np.minimum(lost, 0.5)), 1.0)
