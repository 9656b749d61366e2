"""What a mapping gives: the arguments of one API, and how it is advanced."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Training:
    """The training around a schedule: how many updates it makes, and how many of them an epoch."""

    updates: int
    steps_per_epoch: int


@dataclass(frozen=True)
class Call:
    """One call of one API.

    Attributes:
        arguments: keyword arguments, without the optimizer.
        base_lr: the rate that a scheduler's optimizer starts with; None where the API takes it.
        per_epoch: whether a scheduler's `step()` is called once an epoch, or after each update.
        derived: arguments that are not parameters of the schedule but computed from them, and so
            rounded once more.
    """

    arguments: dict[str, Any]
    base_lr: float | None = None
    per_epoch: bool = False
    derived: frozenset[str] = field(default=frozenset())

    def overridden(self, arguments: dict[str, Any]) -> Call:
        """The same call with some arguments replaced or added."""
        return replace(self, arguments={**self.arguments, **arguments})


@dataclass(frozen=True)
class Unsupported:
    """This API cannot express this schedule."""

    reason: str
