"""A case of the suite as a trace: what its reference model says."""

from __future__ import annotations

from functools import partial

import numpy as np

from harness.case import Case, ScheduleCase
from harness.errors import TraceUnreadable
from harness.reference import Plateau
from harness.reference.arithmetic import Float64, Int64
from harness.traces.due import due
from harness.traces.trace import Header, Trace


def of_case(case: Case, like: Trace | None = None, updates: int = 1) -> Trace:
    """The rates that are due of each parameter group.

    Args:
        case: of a schedule.
        like: the trace that it is compared with, whose sequences it has.
        updates: how many that trace needs, where the schedule has no end of its own.

    Raises:
        TraceUnreadable: the case is about no schedule, or too many updates are needed.
    """
    if not isinstance(case, ScheduleCase):
        raise TraceUnreadable(f"case {case.name} is about no schedule, and has no rates")
    ends = case.epochs is not None or any(isinstance(s, Plateau) for s in case.schedules)
    is_function = like is not None and not ends
    return due(
        Header(
            f"case {case.name}",
            scheduler=case.schedule.__class__.__name__,
            steps_per_epoch=case.steps_per_epoch if case.steps_per_epoch > 1 else None,
        ),
        [partial(_rates, case, group) for group in range(len(case.schedules))],
        updates if is_function else case.training.updates,
        like,
        is_function,
    )


def _rates(case: ScheduleCase, group: int, steps: Int64) -> Float64:
    joins = case.groups[group - 1].added_at if group else 0
    there = steps[steps >= joins]
    rates = np.full(len(steps), np.nan)
    if len(there):
        changes = case.training_of(group).changes
        rates[steps >= joins] = case.courses[group].changed(there, case.steps_per_epoch, changes)
    return rates
