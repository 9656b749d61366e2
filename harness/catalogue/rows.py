"""What the families' mappings have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from harness.catalogue.call import Call, Training, Unsupported
from harness.reference.schedule import Schedule

Express: TypeAlias = Callable[[Any, Training], Call | Unsupported]
Row: TypeAlias = tuple[str, dict[str, str], str, Express]
"""API, its arguments in the family's terms, when the mapping is exact, and the mapping itself."""

TORCH = "torch.optim.lr_scheduler"
EXPERIMENTAL = "mindspore.experimental.optim.lr_scheduler"
NN = "mindspore.nn"
STEPPED = "step() after each update, or after each epoch with counted_in epochs"


def both(name: str, terms: dict[str, str], when: str, express: Express) -> list[Row]:
    """The rows of a scheduler that both frameworks have under one name."""
    terms = {"optimizer's lr": "base_lr", **terms}
    when = f"{when}; {STEPPED}" if when else STEPPED
    return [(f"{module}.{name}", terms, when, express) for module in (TORCH, EXPERIMENTAL)]


def stepped(schedule: Schedule, arguments: dict[str, Any], **rest: Any) -> Call:
    """The call of a scheduler that wraps an optimizer."""
    return Call(arguments, base_lr=schedule.base_lr, per_epoch=schedule.per_epoch, **rest)


def lengths(schedule: Schedule, training: Training) -> dict[str, int]:
    """The two lengths that every list function of MindSpore takes.

    They count in epochs, so for a schedule that counts updates each update is an epoch.
    """
    return {
        "total_step": training.updates,
        "step_per_epoch": training.steps_per_epoch if schedule.per_epoch else 1,
    }


LENGTHS = {
    "total_step": "updates in the training",
    "step_per_epoch": "steps_per_epoch where the schedule counts epochs, else 1",
}


def in_updates(schedule: Schedule, training: Training) -> Unsupported | None:
    """A Cell is called with the number of updates, and knows no epochs."""
    if schedule.per_epoch and training.steps_per_epoch > 1:
        return Unsupported(
            "counts in updates: between them its rate would fall where it has to stand still"
        )
    return None
