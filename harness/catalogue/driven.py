"""How each implementation expresses what a function, a metric or other schedules drive."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from harness.catalogue.call import Call, Made, Named, Training, Unsupported
from harness.catalogue.rows import EXPERIMENTAL, NN, STEPPED, TORCH, Express, Row, both, stepped
from harness.reference import Chained, Function, Lambda, Multiplicative, Plateau, Sequential
from harness.reference.schedule import Schedule

# Functions


def _named(function: Function) -> Named:
    return Named(function.name, function.a, tuple(function.values))


def _lambda(schedule: Lambda | Multiplicative, _: Training) -> Call:
    return stepped(schedule, {"lr_lambda": _named(schedule.function)})


def _callback(schedule: Multiplicative, training: Training) -> Call | Unsupported:
    if schedule.per_epoch and training.steps_per_epoch > 1:
        return Unsupported("is asked at each step")
    return Call({"learning_rate_function": _named(schedule.function)}, base_lr=schedule.base_lr)


LAMBDA = both("LambdaLR", {"lr_lambda": "function"}, "", _lambda)
MULTIPLICATIVE: list[Row] = [
    *both("MultiplicativeLR", {"lr_lambda": "function"}, "", _lambda),
    (
        "mindspore.train.LearningRateScheduler",
        {
            "optimizer's learning_rate": "base_lr",
            "learning_rate_function": "lambda lr, step: lr * function(step)",
        },
        "counted in updates",
        _callback,
    ),
]

# Metrics


def _plateau(schedule: Plateau, _: Training) -> Call:
    names = (
        "mode",
        "factor",
        "patience",
        "threshold",
        "threshold_mode",
        "cooldown",
        "min_lr",
        "eps",
    )
    return stepped(
        schedule,
        {name: getattr(schedule, name) for name in names},
        metrics=tuple(schedule.metrics),
    )


def _plateau_callback(schedule: Plateau, training: Training) -> Call | Unsupported:
    if not schedule.per_epoch:
        return Unsupported("is told the metric at the end of each epoch")
    if schedule.threshold_mode != "abs" or schedule.eps != 0:
        return Unsupported("its min_delta is absolute, and it makes each fall, however small")
    if not schedule.factor > 0:
        return Unsupported("factor must be above 0")
    del training
    return Call(
        {
            "mode": schedule.mode,
            "factor": schedule.factor,
            "patience": schedule.patience + 1,
            "min_delta": schedule.threshold,
            "cooldown": schedule.cooldown + 1 if schedule.cooldown else 0,
            "min_lr": schedule.min_lr,
        },
        base_lr=schedule.base_lr,
        per_epoch=True,
        metrics=tuple(schedule.metrics),
    )


PLATEAU: list[Row] = [
    *both(
        "ReduceLROnPlateau",
        {
            name: name
            for name in (
                *("mode", "factor", "patience", "threshold", "threshold_mode"),
                *("cooldown", "min_lr", "eps"),
            )
        },
        "",
        _plateau,
    ),
    (
        "mindspore.train.ReduceLROnPlateau",
        {
            "optimizer's learning_rate": "base_lr",
            "mode": "mode",
            "factor": "factor",
            "patience": "patience + 1: it falls at the epoch that fills it, not at the next",
            "min_delta": "threshold",
            "cooldown": "cooldown + 1, or 0: its first epoch counts already",
            "min_lr": "min_lr",
        },
        "counted in epochs, threshold_mode abs, eps 0",
        _plateau_callback,
    ),
]

# Compositions


def _first_that_can(
    family: str, schedule: Schedule, training: Training, module: str, rows: dict[str, list[Row]]
) -> tuple[Made, Call] | Unsupported:
    """A part, by the first API of the module that can express it."""
    reason = f"there is no {family} in {module}"
    for api, _, _, express in rows.get(family, []):
        if api.rpartition(".")[0] == module and _is_part(api):
            call = express(schedule, training)
            if isinstance(call, Unsupported):
                reason = f"{api.rpartition('.')[2]}: {call.reason}"
            else:
                return Made(api, call.arguments), call
    return Unsupported(reason)


def _is_part(api: str) -> bool:
    """Lists and callbacks are no parts; of `mindspore.nn` the Cells are."""
    return not api.startswith("mindspore.nn.") or api.rpartition(".")[2][0].isupper()


def _lengths(schedule: Sequential | Chained, training: Training) -> list[int]:
    """The updates that each part is in charge of, at least 1."""
    if isinstance(schedule, Chained):
        return [training.updates] * len(schedule.parts)
    length = training.steps_per_epoch if schedule.per_epoch else 1
    bounds = [0, *(milestone * length for milestone in schedule.milestones), training.updates]
    return [max(1, min(end, training.updates) - start) for start, end in pairwise(bounds)]


def _parts(
    schedule: Sequential | Chained,
    training: Training,
    module: str,
    rows: dict[str, list[Row]],
) -> tuple[list[Made], Call] | Unsupported:
    """The parts, and what is to be said of the call that they are the parts of."""
    made: list[Made] = []
    realised: list[Any] = []
    derived: set[str] = set()
    for part, own, updates in zip(
        schedule.parts, schedule.schedules, _lengths(schedule, training), strict=True
    ):
        if part.has_own_base and module != NN and part.family not in {"cyclic", "one_cycle"}:
            return Unsupported("a scheduler begins at the optimizer's rate")
        here = replace(training, updates=updates)
        found = _first_that_can(part.family, own, here, module, rows)
        if isinstance(found, Unsupported):
            return found
        made.append(found[0])
        realised.append(_as_part(part, found[1].realises))
        derived |= {f"{len(made)}.{name}" for name in found[1].derived}
    same = all(new is part for new, part in zip(realised, schedule.parts, strict=True))
    realises = None if same else schedule.model_copy(update={"parts": realised})
    return made, Call({}, derived=frozenset(derived), realises=realises)


def _as_part(part: Any, realises: Schedule | None) -> Any:
    """The part whose formula is evaluated: itself, or another family's."""
    if realises is None:
        return part
    given = realises.model_dump(exclude={"counted_in"})
    return type(part).model_validate({"polynomial": given})


def compositions(rows: dict[str, list[Row]]) -> None:
    """Add the rows of the families that are made of others to theirs."""

    def sequential(module: str) -> Express:
        def express(schedule: Sequential, training: Training) -> Call | Unsupported:
            parts = _parts(schedule, training, module, rows)
            if isinstance(parts, Unsupported):
                return parts
            made, whole = parts
            arguments = {"schedulers": made, "milestones": schedule.milestones}
            return stepped(schedule, arguments, derived=whole.derived)

        return express

    def chained(schedule: Chained, training: Training) -> Call | Unsupported:
        parts = _parts(schedule, training, TORCH, rows)
        if isinstance(parts, Unsupported):
            return parts
        return stepped(schedule, {"schedulers": parts[0]}, derived=parts[1].derived)

    def joined(schedule: Sequential, training: Training) -> Call | Unsupported:
        if schedule.per_epoch and training.steps_per_epoch > 1:
            return Unsupported("counts in updates")
        parts = _parts(schedule, training, NN, rows)
        if isinstance(parts, Unsupported):
            return parts
        made, whole = parts
        return replace(whole, arguments={"schedules": made, "milestones": schedule.milestones})

    rows |= {
        "sequential": [
            *(
                (
                    f"{module}.SequentialLR",
                    {
                        "optimizer's lr": "base_lr",
                        "schedulers": "parts, each as its family is expressed",
                        "milestones": "milestones",
                    },
                    f"each part can be expressed; {STEPPED}",
                    sequential(module),
                )
                for module in (TORCH, EXPERIMENTAL)
            ),
            (
                f"{NN}.learning_rate_schedule.LearningRateSchedule",
                {
                    "parts": "parts, each as a Cell",
                    "construct": "the part of the present step, called with the steps since its "
                    "milestone",
                },
                "each part can be expressed as a Cell; counted in updates",
                joined,
            ),
        ],
        "chained": [
            (
                f"{TORCH}.ChainedScheduler",
                {
                    "optimizer's lr": "base_lr",
                    "schedulers": "parts, each as its family is expressed",
                },
                f"each part can be expressed; {STEPPED}",
                chained,
            )
        ],
    }
