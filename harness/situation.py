"""What happens in a case's training beside plain stepping, in words."""

from __future__ import annotations

from collections.abc import Iterator

from harness.case import Case, ScheduleCase


def situation(case: Case) -> Iterator[str]:
    """A sentence for each thing that is out of the ordinary."""
    if not isinstance(case, ScheduleCase):
        return
    if case.optimizer != "SGD":
        yield f"the optimizer is {case.optimizer}"
    if case.stepping == "epoch":
        yield "step(epoch) is told the count"
    if case.epochs is not None:
        ways = ("nothing" if epoch is None else f"{epoch:g}" for epoch in case.epochs)
        yield f"step() is told {', '.join(ways)}"
    if case.step_replaced:
        yield "somebody replaces optimizer.step once the scheduler is made"
    if case.reading == "get_lr":
        yield "get_lr() is called, and not get_last_lr()"
    if case.reading == "momentum":
        yield "what is looked at is the optimizer's momentum"
    if case.lr_dtype:
        kind = "Parameter" if case.lr_parameter else "tensor"
        shared = ", the same for all groups" if case.lr_shared else ""
        yield f"the optimizer is given its rate as a {kind} of {case.lr_dtype}{shared}"
    if case.optimizer_lr is not None:
        yield f"the optimizer's rate is {case.optimizer_lr!r} before the scheduler is made"
    for step, rate in sorted(case.changes.items()):
        yield f"somebody sets the rate to {rate!r} before update {step}"
    if case.resume:
        yield f"broken off before update {case.resume.at}, and resumed by {case.resume.by}"
    for number, group in enumerate(case.groups, start=1):
        terms = ", ".join(f"{name}={value!r}" for name, value in group.schedule.items())
        joins = f", which joins before update {group.added_at}" if group.added_at else ""
        yield f"group {number} differs in {terms or 'nothing'}{joins}"
