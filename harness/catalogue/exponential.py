"""How each implementation expresses exponential decay."""

from __future__ import annotations

from harness.catalogue.call import Call, Training, Unsupported
from harness.reference.exponential import Exponential


def _multiplying(schedule: Exponential, _: Training) -> Call | Unsupported:
    """`ExponentialLR(gamma)`: one factor at every `step()`."""
    every = schedule.decay_every
    if every > 1 and schedule.staircase:
        return Unsupported("multiplies at every step(); a stair of several is StepLR's")
    return Call(
        {"gamma": schedule.decay_rate ** (1 / every) if every > 1 else schedule.decay_rate},
        base_lr=schedule.base_lr,
        per_epoch=schedule.per_epoch,
        derived=frozenset({"gamma"} if every > 1 else ()),
    )


def _stepping(schedule: Exponential, _: Training) -> Call | Unsupported:
    """`StepLR(step_size, gamma)`: one factor at every `step_size`-th `step()`."""
    if schedule.decay_every > 1 and not schedule.staircase:
        return Unsupported("stands still between its stairs; a smooth decay is ExponentialLR's")
    return Call(
        {"step_size": schedule.decay_every, "gamma": schedule.decay_rate},
        base_lr=schedule.base_lr,
        per_epoch=schedule.per_epoch,
    )


def _positive(schedule: Exponential) -> Unsupported | None:
    if schedule.decay_rate <= 0 or schedule.base_lr <= 0:
        return Unsupported("takes a rate and a decay_rate above 0 only")
    return None


def _list(schedule: Exponential, training: Training) -> Call | Unsupported:
    """`exponential_decay_lr`: counts in epochs, so a decay per update makes each an epoch."""
    return _positive(schedule) or Call(
        {
            "learning_rate": schedule.base_lr,
            "decay_rate": schedule.decay_rate,
            "total_step": training.updates,
            "step_per_epoch": training.steps_per_epoch if schedule.per_epoch else 1,
            "decay_epoch": schedule.decay_every,
            "is_stair": schedule.staircase,
        }
    )


def _cell(schedule: Exponential, training: Training) -> Call | Unsupported:
    """`ExponentialDecayLR`: counts in updates, so a decay per epoch is a stair of whole epochs."""
    refused = _positive(schedule)
    if refused is not None:
        return refused
    decay_steps, stair = schedule.decay_every, schedule.staircase
    if schedule.per_epoch and training.steps_per_epoch > 1:
        if schedule.decay_every > 1 and not stair:
            return Unsupported(
                "counts in updates: a rate that stands still within an epoch and still decays by "
                "a fraction of decay_rate from epoch to epoch is neither its slope nor its stair"
            )
        decay_steps, stair = schedule.decay_every * training.steps_per_epoch, True
    return Call(
        {
            "learning_rate": schedule.base_lr,
            "decay_rate": schedule.decay_rate,
            "decay_steps": decay_steps,
            "is_stair": stair,
        }
    )


_SCHEDULER_TERMS = {"optimizer's lr": "base_lr"}
_ROWS_FOR_SCHEDULERS = (
    (
        "ExponentialLR",
        {**_SCHEDULER_TERMS, "gamma": "decay_rate ** (1 / decay_steps or decay_epochs)"},
        "no staircase, or one decay per step(); step() after each update for decay_steps, "
        "after each epoch for decay_epochs",
        _multiplying,
    ),
    (
        "StepLR",
        {**_SCHEDULER_TERMS, "step_size": "decay_steps or decay_epochs", "gamma": "decay_rate"},
        "a staircase, or one decay per step(); step() after each update for decay_steps, "
        "after each epoch for decay_epochs",
        _stepping,
    ),
)

MAPPINGS = (
    *(
        (f"{module}.lr_scheduler.{name}", terms, condition, function)
        for module in ("torch.optim", "mindspore.experimental.optim")
        for name, terms, condition, function in _ROWS_FOR_SCHEDULERS
    ),
    (
        "mindspore.nn.exponential_decay_lr",
        {
            "learning_rate": "base_lr",
            "decay_rate": "decay_rate",
            "total_step": "updates in the training",
            "step_per_epoch": "steps_per_epoch with decay_epochs, 1 with decay_steps",
            "decay_epoch": "decay_epochs or decay_steps",
            "is_stair": "staircase",
        },
        "base_lr and decay_rate above 0",
        _list,
    ),
    (
        "mindspore.nn.ExponentialDecayLR",
        {
            "learning_rate": "base_lr",
            "decay_rate": "decay_rate",
            "decay_steps": "decay_steps, or decay_epochs * steps_per_epoch",
            "is_stair": "staircase, or True with decay_epochs",
        },
        "decay_steps; or decay_epochs with a staircase, with decay_epochs 1 or one step per epoch",
        _cell,
    ),
)
