"""Which column of a table, or key of a record, holds what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.comparison import APPLIED, REPORTED
from harness.reference.arithmetic import Float64, Int64
from harness.traces.gathered import sequence_name

STEPS = ("step", "steps", "global_step", "update", "iteration", "iter", "epoch")
GROUPS = ("group", "param_group")
RATES = (REPORTED, "lr", "learning_rate", "rate", "value")
"""Names of the reported rate; where there are several, the first of these is taken."""
_NUMBERED = re.compile(r"(reported|applied|lr|learning_rate)[_ /-]?(?:pg|group)?[_ ]?(\d+)")
LARGEST = 2.0**53


@dataclass(frozen=True)
class Layout:
    """The names, as they stand there: of the step and the group, None where there is none."""

    step: str | None
    group: str | None
    rates: dict[str, str]
    """Sequence to name."""


def layout(names: Sequence[str], columns: Sequence[str] = ()) -> Layout:
    """What the names say; `columns` are those that the user gave for the rate.

    >>> layout(["Step", "lr"]).rates
    {'reported': 'lr'}
    """
    plain = {re.sub(r"[\s-]+", "_", name.strip().lower()): name for name in reversed(names)}
    step = next((plain[name] for name in STEPS if name in plain), None)
    group = next((plain[name] for name in GROUPS if name in plain), None)
    asked = next((name for name in columns if name in names), None)
    if asked is not None:
        return Layout(step, group, {REPORTED: asked})
    reported = next((plain[name] for name in RATES if name in plain), None)
    rates = {} if reported is None else {REPORTED: reported}
    if APPLIED in plain:
        rates[APPLIED] = plain[APPLIED]
    for name, written in plain.items():
        if numbered := _NUMBERED.fullmatch(name):
            kind = APPLIED if numbered[1] == APPLIED else REPORTED
            rates.setdefault(sequence_name(kind, int(numbered[2])), written)
    return Layout(step, group, rates)


def whole(values: Float64, written: Sequence[object] = ()) -> Int64:
    """Step numbers as such.

    Args:
        values: the numbers.
        written: the same as they stand in the file, for the message.

    Raises:
        ValueError: one is not a whole number from 0 to 2^53 - 1.

    >>> whole(np.array([0.0, 1e3])).tolist()
    [0, 1000]
    """
    if values.ndim != 1:
        raise ValueError("a list is not a step: expected a whole number from 0 on")
    with np.errstate(invalid="ignore"):
        fit = (values >= 0) & (values < LARGEST) & (values == np.floor(values))
    if not fit.all():
        at = int(np.argmin(fit))
        value = float(values[at])
        said = str(written[at]).strip() if len(written) else f"{value:.17g}"
        if value >= LARGEST:
            raise ValueError(f"step {said[:40]} is too large: the largest is 2^53 - 1")
        raise ValueError(f"{said[:40]!r} is not a step: expected a whole number from 0 on")
    return values.astype(np.int64)
