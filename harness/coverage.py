"""What is tested of each implementation, and why what is not tested is not there to be tested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.case import DIMENSIONS, Case, ScheduleCase
from harness.catalogue import IMPLEMENTATIONS, Implementation, Kind, Made, Unsupported
from harness.plan import calls_of, implementations_of

_NO_STEP_EPOCH = {"SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"}
_TOLD = {"ReduceLROnPlateau"}
_ENDLESS = {
    *("StepLR", "ExponentialLR", "CyclicLR", "CosineAnnealingWarmRestarts"),
    *("ExponentialDecayLR", "NaturalExpDecayLR", "InverseDecayLR"),
}


@dataclass(frozen=True)
class Cell:
    """How many cases test one dimension of an implementation; with none, why."""

    cases: int
    reason: str


@dataclass(frozen=True)
class Row:
    """One implementation: a cell for each dimension, in their order."""

    implementation: Implementation
    cells: dict[str, Cell]


def coverage(cases: Iterable[Case]) -> list[Row]:
    """A row for each implementation of the catalogue. A reason may be missing: see the tests."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for case in cases:
        for api, dimensions in _tested(case):
            for dimension in dimensions:
                counts[api, dimension] += 1
    return [
        Row(
            implementation,
            {
                dimension: Cell(
                    counts[api, dimension],
                    "" if counts[api, dimension] else _why_not(implementation, dimension),
                )
                for dimension in DIMENSIONS
            },
        )
        for api, implementation in IMPLEMENTATIONS.items()
    ]


def _tested(case: Case) -> Iterator[tuple[str, set[str]]]:
    """The implementations that a case runs on, parts of compositions too, and what it tests."""
    if not isinstance(case, ScheduleCase):
        for implementation in implementations_of(case):
            yield implementation.api, {case.dimension}
        return
    for implementation in implementations_of(case):
        calls = calls_of(case, implementation)
        if isinstance(calls, Unsupported):
            continue
        yield implementation.api, _dimensions(case, implementation)
        for part in {part for call in calls for part in _parts(call.arguments)}:
            yield part, {"composition"}


def _dimensions(case: ScheduleCase, implementation: Implementation) -> set[str]:
    happens = {
        "modes": len(set(case.modes or ()) & set(implementation.modes)) > 1,
        "applied": case.optimizer != "SGD",
        "resume": case.resume is not None,
        "groups": bool(case.groups),
        "changes": bool(case.changes),
        "stepping": case.stepping == "epoch",
        "composition": case.family in {"sequential", "chained"},
    }
    return {case.dimension, *(name for name, here in happens.items() if here)}


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, Made):
        yield value.api
        yield from _parts(value.arguments)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _parts(item)


def _why_not(implementation: Implementation, dimension: str) -> str:
    """Why there is nothing to test; empty where a case is missing."""
    kind, name = implementation.kind, implementation.api.rpartition(".")[2]
    looked_up = "an optimizer looks its rates up: "
    reasons: dict[str, str | bool] = {
        "modes": implementation.framework == "torch" and "PyTorch runs its schedulers eagerly",
        "changes": {
            Kind.LIST: looked_up + "there is none to set",
            Kind.CELL: looked_up + "there is none to set",
            Kind.CALLBACK: "it is itself who sets the rate from outside",
        }.get(kind, ""),
        "stepping": (kind is not Kind.SCHEDULER or name in _NO_STEP_EPOCH)
        and "it has no step(epoch)",
        "groups": kind is Kind.CALLBACK and "it knows one rate, for all parameters",
        "resume": {
            Kind.CALLBACK: "it has no state that a checkpoint could hold",
        }.get(kind, "")
        or (
            implementation.framework == "mindspore"
            and name in _NO_STEP_EPOCH
            and "it has neither a state_dict nor a last_epoch to begin with"
        ),
        "composition": {
            Kind.LIST: "lists are joined by Python's +",
            Kind.CALLBACK: "a callback is no part of anything",
        }.get(kind, "")
        or (name in _TOLD and "it is told a metric, so no composition takes it as a part")
        or (name == "SWALR" and "it is stepped in place of a scheduler, and is no part of one"),
        "end": name in _ENDLESS and "it has no end",
        "long": name in _TOLD and "it counts metrics, and nothing in it grows with their number",
        "validation": name == "LearningRateSchedule" and "its arguments are the user's own",
        "documentation": name == "LearningRateSchedule" and "what it computes is the user's own",
    }
    return str(reasons.get(dimension) or "")
