"""What a worker is asked, and what it answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.case import ScheduleCase
from harness.catalogue import Made, Named, Other
from harness.observation import Observation, Parameter, Raised, Sequence
from harness.plan import Trial


def request(trial: Trial) -> dict[str, Any]:
    """What the adapter has to know. What is expected stays here."""
    case, implementation = trial.case, trial.implementation
    if not isinstance(case, ScheduleCase) or trial.call is None:
        return {"ask": "signature", "api": implementation.api}
    training = trial.training
    joins = [0, *(group.added_at for group in case.groups)]
    return {
        "ask": "rates",
        "api": implementation.api,
        "kind": implementation.kind.value,
        "arguments": _sendable(trial.call.arguments),
        "groups": [
            {
                "base_lr": call.base_lr,
                "arguments": _sendable(call.arguments),
                "added_at": added_at,
            }
            for call, added_at in zip((trial.call, *trial.groups), joins, strict=True)
        ],
        "per_epoch": trial.call.per_epoch,
        "metrics": list(trial.call.metrics),
        "steps_per_epoch": training.steps_per_epoch,
        "updates": training.updates,
        "optimizer": trial.optimizer,
        "lr_dtype": training.lr_dtype,
        "lr_shared": training.lr_shared,
        "lr_parameter": training.lr_parameter,
        "applies": trial.applies,
        "shows_applied": trial.shows_applied,
        "stepping": training.stepping,
        "told": list(training.told),
        "step_replaced": training.step_replaced,
        "reading": training.reading,
        "changes": list(training.changes.items()),
        "resume": training.resume
        and {
            "at": training.resume.at,
            "by": training.resume.by,
            "into": _sendable(training.resume.into),
            "twice": training.resume.twice,
        },
        "ranges": _ranges(case.observed_steps.tolist()),
        "applied_precision": implementation.applied_precision.value,
        "device": trial.target.device,
        "mode": trial.target.mode,
        "awaited": trial.awaited,
        "one_by_one": False,
    }


def _sendable(value: Any) -> Any:
    """An argument as plain values: parts and functions as what an adapter makes them of."""
    if isinstance(value, dict):
        return {name: _sendable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(item) for item in value]
    if isinstance(value, Made):
        return {"api": value.api, "arguments": _sendable(value.arguments)}
    if isinstance(value, Other):
        return {"optimizer": value.optimizer}
    if isinstance(value, Named):
        return {"function": value.name, "a": value.a, "values": list(value.values)}
    return value


def _ranges(steps: list[int]) -> list[list[int]]:
    """Increasing steps as runs from a start to before a stop.

    >>> _ranges([0, 1, 2, 7])
    [[0, 3], [7, 8]]
    """
    ranges: list[list[int]] = []
    for step in steps:
        if ranges and ranges[-1][1] == step:
            ranges[-1][1] = step + 1
        else:
            ranges.append([step, step + 1])
    return ranges


def observation(message: dict[str, Any]) -> Observation:
    """What the adapter has observed."""
    signature, raised = message.get("signature"), message.get("raised")
    return Observation(
        sequences={
            name: Sequence(sequence["precision"], np.frombuffer(sequence["data"], dtype="<f8"))
            for name, sequence in message["sequences"].items()
        },
        deprecation=message.get("deprecation", ""),
        signature=None if signature is None else tuple(Parameter(**p) for p in signature),
        misshapen=message.get("misshapen", ""),
        raised=raised and Raised(raised["type"], tuple(raised["bases"]), raised["message"]),
        warnings=tuple(message["warnings"]),
        printed=message["printed"],
        seconds=message["seconds"],
    )
