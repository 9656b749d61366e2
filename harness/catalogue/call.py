"""What a mapping gives: the arguments of one API, and how it is advanced."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from harness.reference.schedule import Schedule


@dataclass(frozen=True)
class Resume:
    """The training is broken off before update `at`, and goes on in new objects.

    `by` says what is carried over: the objects' `state_dict`s, a file that the framework writes, or
    the number of the last epoch with the rates. `into` are arguments of the new object that differ;
    `twice` says that the same state is loaded a second time.
    """

    at: int
    by: str
    into: dict[str, Any] = field(default_factory=dict)
    twice: bool = False


@dataclass(frozen=True)
class Training:
    """The training around a schedule.

    Attributes:
        updates: how many it makes.
        steps_per_epoch: how many of them make an epoch.
        optimizer: which one, by the name that both frameworks have for it; `fused` or `capturable`
            after it are torch's.
        lr_dtype: the type of the tensor that the optimizer is given as its rate; None for a number.
        lr_shared: whether all groups are given one and the same tensor.
        lr_parameter: whether the tensor is a Parameter.
        stepping: `plain`, or `epoch` where `step(epoch)` is told the count.
        told: what step(epoch) is told after each update, None for nothing; empty for `stepping`.
        step_replaced: whether somebody puts another function in the place of optimizer.step.
        reading: what a scheduler is asked for, or `momentum`, which is read off the optimizer.
        changes: rates that somebody sets from outside, by the update before which it happens.
        resume: where it is broken off.
    """

    updates: int
    steps_per_epoch: int
    optimizer: str = "SGD"
    lr_dtype: str | None = None
    lr_shared: bool = False
    lr_parameter: bool = False
    stepping: str = "plain"
    told: tuple[float | None, ...] = ()
    step_replaced: bool = False
    reading: str = "get_last_lr"
    changes: dict[int, float] = field(default_factory=dict)
    resume: Resume | None = None


@dataclass(frozen=True)
class Made:
    """An argument that is made by a call of its own: a part of a composition."""

    api: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Named:
    """An argument that is a function, by its name in the case format.

    `COUNTING` is an object that counts its own calls and gives `a` to the power of their number: as
    `power`, where it is called once at each count and its state is carried over.
    """

    name: str
    a: float = 1.0
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Other:
    """An argument that is an optimizer beside the training's own, over a weight of its own."""

    optimizer: str


COUNTING = "counting"
OTHER_OPTIMIZERS = ("SGD", "Adam", "Adagrad")


@dataclass(frozen=True)
class Call:
    """One call of one API.

    Attributes:
        arguments: keyword arguments, without the optimizer; plain values, `Made`, `Named`, or lists
            of them.
        base_lr: the rate that a scheduler's optimizer starts with; None where the API takes it.
        per_epoch: whether a scheduler's `step()` is called once an epoch, or after each update.
        derived: arguments that are not parameters of the schedule but computed from them, and so
            rounded once more.
        realises: the schedule whose formula the API evaluates, where it is another family's.
        metrics: what a metric-driven scheduler is told at each of its steps.
    """

    arguments: dict[str, Any]
    base_lr: float | None = None
    per_epoch: bool = False
    derived: frozenset[str] = field(default=frozenset())
    realises: Schedule | None = None
    metrics: tuple[float, ...] = ()

    def overridden(self, arguments: dict[str, Any]) -> Call:
        """The same call with some arguments replaced or added."""
        return replace(self, arguments={**self.arguments, **arguments})


@dataclass(frozen=True)
class Unsupported:
    """This API cannot express this schedule."""

    reason: str
