"""A case of the suite as a trace: what its reference model says."""

from __future__ import annotations

import numpy as np

from harness.case import Case, ScheduleCase
from harness.catalogue import Precision
from harness.comparison import REPORTED, group_of
from harness.errors import TraceUnreadable
from harness.reference import Plateau
from harness.reference.arithmetic import Float64, Int64
from harness.traces.gathered import sequence_name
from harness.traces.trace import Header, Trace


def of_case(case: Case, like: Trace | None = None) -> Trace:
    """The rates that are due of each parameter group.

    Args:
        case: of a schedule.
        like: the trace that it is compared with: as many updates, where the schedule has no end of
            its own, and the same sequences; the rate that is due is the rate to be applied too.

    Raises:
        TraceUnreadable: the case is about no schedule.
    """
    if not isinstance(case, ScheduleCase):
        raise TraceUnreadable(f"case {case.name} is about no schedule, and has no rates")
    updates = case.training.updates
    told = case.epochs is not None or any(isinstance(s, Plateau) for s in case.schedules)
    if like is not None and not told:
        updates = int(like.steps[-1]) + 1
    steps = np.arange(updates, dtype=np.int64)
    names = {sequence_name(REPORTED, group): group for group in range(len(case.schedules))}
    if like is not None:
        alike = {name: group_of(name) for name in like.sequences}
        names |= {name: group for name, group in alike.items() if group < len(case.schedules)}
    rates = [_rates(case, group, steps) for group in range(len(case.schedules))]
    return Trace(
        Header(
            f"case {case.name}",
            scheduler=case.schedule.__class__.__name__,
            steps_per_epoch=case.steps_per_epoch if case.steps_per_epoch > 1 else None,
        ),
        steps,
        {name: rates[group] for name, group in names.items()},
        dict.fromkeys(names, Precision.FLOAT64),
    )


def _rates(case: ScheduleCase, group: int, steps: Int64) -> Float64:
    joins = case.groups[group - 1].added_at if group else 0
    there = steps[steps >= joins]
    rates = np.full(len(steps), np.nan)
    if len(there):
        changes = case.training_of(group).changes
        rates[steps >= joins] = case.courses[group].changed(there, case.steps_per_epoch, changes)
    return rates
