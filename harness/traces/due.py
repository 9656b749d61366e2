"""The rates that the reference model says are due, as a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.catalogue import Precision
from harness.comparison import REPORTED, group_of
from harness.errors import TraceUnreadable
from harness.reference.arithmetic import Float64, Int64
from harness.traces.gathered import MAX_STEPS, sequence_name
from harness.traces.trace import Header, Trace

PART = 1 << 20
"""Updates worked out at a time: with all its digits a rate takes many times its place."""


def due(
    header: Header,
    groups: Sequence[Callable[[Int64], Float64]],
    updates: int,
    like: Trace | None,
    is_function: bool,
    tells: tuple[str, ...] = (),
) -> Trace:
    """A trace from update 0 on.

    Args:
        header: what it is.
        groups: the rates of each parameter group, by update, shape as the updates.
        updates: how many.
        like: the trace that it is compared with: it has the same sequences, as far as there are
            groups; the rate that is due is the rate to be applied too.
        is_function: as in `Trace`.
        tells: remarks.

    Raises:
        TraceUnreadable: there are too many updates.
    """
    if updates > MAX_STEPS:
        raise TraceUnreadable(
            f"{header.source}: {updates:,} updates are asked of it; more than {MAX_STEPS:,} would "
            "not fit into the memory of a usual machine"
        )
    steps = np.arange(updates, dtype=np.int64)
    names = {sequence_name(REPORTED, group): group for group in range(len(groups))}
    if like is not None:
        alike = {name: group_of(name) for name in like.sequences}
        names |= {name: group for name, group in alike.items() if group < len(groups)}
    rates = [_in_parts(group, steps) for group in groups]
    return Trace(
        header,
        steps,
        {name: rates[group] for name, group in names.items()},
        dict.fromkeys(names, Precision.FLOAT64),
        tells,
        is_function=is_function,
    )


def _in_parts(rates: Callable[[Int64], Float64], steps: Int64) -> Float64:
    return np.concatenate([rates(steps[at : at + PART]) for at in range(0, len(steps), PART)])
