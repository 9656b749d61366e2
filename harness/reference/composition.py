"""Schedules made of schedules: one after another, or multiplied.

Source: `torch.optim.lr_scheduler.SequentialLR` and `ChainedScheduler`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    create_model,
    model_validator,
)

from harness.reference.arithmetic import Arithmetic, Int64, quiet
from harness.reference.constant import Constant
from harness.reference.cosine import Cosine, WarmRestarts
from harness.reference.cyclic import Cyclic, OneCycle
from harness.reference.elementary import MAX_COUNT
from harness.reference.exponential import Exponential
from harness.reference.functional import Lambda, Multiplicative
from harness.reference.inverse_time import InverseTime, NaturalExponential
from harness.reference.linear import Linear
from harness.reference.multistep import MultiStep
from harness.reference.polynomial import Polynomial
from harness.reference.schedule import Chain, Counted, Schedule

SIMPLE: dict[str, type[Schedule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "cyclic": Cyclic,
    "exponential": Exponential,
    "inverse_time": InverseTime,
    "lambda": Lambda,
    "linear": Linear,
    "multiplicative": Multiplicative,
    "multistep": MultiStep,
    "natural_exponential": NaturalExponential,
    "one_cycle": OneCycle,
    "polynomial": Polynomial,
    "warm_restarts": WarmRestarts,
}
"""The families that can be a part, by name."""


class PartBase(BaseModel):
    """One schedule, under its family's name; its base_lr is the whole's unless it has its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="after")
    def _exactly_one(self) -> PartBase:
        if len(self.model_fields_set) != 1:
            raise ValueError("a part is one family's name and its parameters")
        return self

    @property
    def family(self) -> str:
        """The family's name."""
        (name,) = self.model_fields_set
        return name.rstrip("_")

    @property
    def has_own_base(self) -> bool:
        """Whether it begins at a rate of its own."""
        (name,) = self.model_fields_set
        return "base_lr" in getattr(self, name).model_fields_set

    def schedule(self, whole: Schedule) -> Schedule:
        """The part as a schedule of its own."""
        (name,) = self.model_fields_set
        schedule: Schedule = getattr(self, name)
        changes: dict[str, Any] = {}
        if isinstance(schedule, OneCycle):
            changes["base_lr"] = schedule.max_lr / schedule.div_factor
        elif "base_lr" not in schedule.model_fields_set:
            changes["base_lr"] = whole.base_lr
        if isinstance(schedule, Counted) and isinstance(whole, Counted):
            changes["counted_in"] = whole.counted_in
        return schedule.model_copy(update=changes)


def _without_base(family: str, schedule: type[Schedule]) -> Any:
    return create_model(
        f"{family.title().replace('_', '')}Part",
        __base__=schedule,
        __module__=__name__,
        base_lr=(FiniteFloat, 1.0),
    )


class _Composition(Counted):
    parts: list[Part] = Field(min_length=1)

    @property
    def schedules(self) -> list[Schedule]:
        """The parts as schedules of their own."""
        return [part.schedule(self) for part in self.parts]


class Sequential(_Composition):
    """One part after another; each begins anew, with its own count from 0, at its milestone.

    >>> Sequential.model_validate({"base_lr": 0.1, "milestones": [2], "parts": [
    ...     {"constant": {"factor": 0.1, "total_iters": 2}},
    ...     {"exponential": {"decay_rate": 0.5, "decay_steps": 1}}]}).rates(
    ...     np.arange(5), 1).round(6).tolist()
    [0.01, 0.01, 0.1, 0.05, 0.025]
    """

    milestones: list[Annotated[NonNegativeInt, Field(le=MAX_COUNT)]]

    @model_validator(mode="after")
    def _a_milestone_between(self) -> Sequential:
        if len(self.milestones) != len(self.parts) - 1:
            raise ValueError("give one milestone fewer than parts")
        if any(b < a for a, b in pairwise(self.milestones)):
            raise ValueError("milestones must not fall")
        return self

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        rates: Any = n.where(count >= 0, 0.0, 0.0)
        for start, schedule in zip([0, *self.milestones], self.schedules, strict=True):
            here = count >= start
            part = schedule.closed(np.where(here, count - start, 0), n)
            rates = n.where(here, part, rates)
        return rates

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any]:
        scale: Any = n.where(count >= 0, 0.0, 0.0)
        center, shift = scale, scale
        for start, schedule in zip([0, *self.milestones], self.schedules, strict=True):
            here = count >= start
            local = np.where(here, count - start, 1)
            begins = here & (local == 0)
            chain = schedule.chain(np.maximum(local, 1), n)
            rates = schedule.closed(np.where(begins, 0, local), n)
            absolute = begins if chain is not None else here
            links = chain or Chain(n.whole(0), n.whole(0), rates)
            scale = n.where(here, n.where(absolute, 0.0, links.scale), scale)
            center = n.where(here, n.where(absolute, 0.0, links.center), center)
            shift = n.where(here, n.where(absolute, rates, links.shift), shift)
        return Chain(scale, center, shift)


class Chained(_Composition):
    """The product of the parts' factors.

    >>> Chained.model_validate({"base_lr": 1.0, "parts": [
    ...     {"constant": {"factor": 0.5, "total_iters": 2}},
    ...     {"exponential": {"decay_rate": 0.5, "decay_steps": 1}}]}).rates(
    ...     np.arange(4), 1).tolist()
    [0.5, 0.25, 0.25, 0.125]
    """

    @model_validator(mode="after")
    @quiet
    def _parts_are_factors(self) -> Chained:
        for part, schedule in zip(self.parts, self.schedules, strict=True):
            links = schedule.chain(np.array([1]), _EXACT)
            if links is None or np.any(links.center.hi) or part.family in {"sequential"}:
                raise ValueError(f"{part.family} is no factor that others can be multiplied with")
        return self

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        rates: Any = n.parameter(self.base_lr)
        for schedule in self.schedules:
            rates = rates * schedule.model_copy(update={"base_lr": 1.0}).closed(count, n)
        return rates

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any] | None:
        scale: Any = n.where(count >= 0, 1.0, 1.0)
        for schedule in self.schedules:
            links = schedule.chain(count, n)
            if links is None:  # a copy with other parameters is not validated
                return None
            scale = scale * links.scale
        return Chain(scale, n.whole(0), n.whole(0))


def with_parts(schedule: Schedule) -> Iterator[Schedule]:
    """The schedule and all parts that it is made of, and theirs."""
    yield schedule
    if isinstance(schedule, Sequential | Chained):
        for part in schedule.schedules:
            yield from with_parts(part)


from harness.reference.exact import Exact  # noqa: E402

_EXACT = Exact()
_fields: dict[str, Any] = {
    "sequential": (_without_base("sequential", Sequential) | None, None),
    "chained": (_without_base("chained", Chained) | None, None),
    **{
        # `lambda` is no name that Python lets an argument have.
        (f"{family}_" if family == "lambda" else family): (
            _without_base(family, schedule) | None,
            Field(default=None, alias=family) if family == "lambda" else None,
        )
        for family, schedule in SIMPLE.items()
    },
}
Part: Any = create_model("Part", __base__=PartBase, __module__=__name__, **_fields)
Sequential.model_rebuild()
Chained.model_rebuild()
