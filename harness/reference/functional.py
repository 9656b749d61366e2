"""Schedules that are a function of the user's: of the count, or from one rate to the next.

The functions come from a small named set, since a case is data. Source:
`torch.optim.lr_scheduler.LambdaLR` and `MultiplicativeLR`; `mindspore.train.LearningRateScheduler`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.schedule import Chain, Counted

FunctionName = Literal["power", "inverse", "inverse_sqrt", "constant", "table"]
FUNCTIONS = frozenset(get_args(FunctionName))
"""The names of all functions."""


class Function(BaseModel):
    """A function of the count, by its name.

    `power`: a ** t. `inverse`: 1 / (1 + a * t). `inverse_sqrt`: (1 + a * t) ** -0.5. `constant`: a.
    `table`: values[t], the last one for ever.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: FunctionName
    a: FiniteFloat = Field(default=1.0, ge=0)
    values: list[FiniteFloat] = []

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Function:
        if (self.name == "table") != bool(self.values):
            raise ValueError("values belong to a table, and a table needs them")
        return self

    def at(self, count: Int64, n: Arithmetic[Any]) -> Any:
        """Its values, shape as `count`."""
        a = n.parameter(self.a)
        if self.name == "power":
            return n.power(a, n.whole(count))
        if self.name == "inverse":
            return n.whole(1) / (1 + a * n.whole(count))
        if self.name == "inverse_sqrt":
            return n.power(1 + a * n.whole(count), -0.5)
        if self.name == "constant":
            return n.where(count >= 0, a, 0.0)
        value: Any = n.where(count >= 0, n.parameter(self.values[0]), 0.0)
        for index, entry in enumerate(self.values):
            value = n.where(count >= index, n.parameter(entry), value)
        return value


class Lambda(Counted):
    """`base_lr * function(t)`.

    >>> Lambda(base_lr=0.5, function=Function(name="power", a=0.5)).rates(np.arange(3), 1).tolist()
    [0.5, 0.25, 0.125]
    """

    function: Function

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        return n.parameter(self.base_lr) * self.function.at(count, n)


class Multiplicative(Counted):
    """`base_lr * function(1) * ... * function(t)`.

    >>> Multiplicative(base_lr=1.0, function=Function(name="table", values=[9.0, 0.5, 0.25])).rates(
    ...     np.arange(4), 1).tolist()
    [1.0, 0.5, 0.125, 0.03125]
    """

    function: Function

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        if self.function.name == "constant":
            factor = n.power(n.parameter(self.function.a), n.whole(count))
            return n.parameter(self.base_lr) * factor
        last = int(count.max(initial=0))
        rate, rates = n.parameter(self.base_lr), n.where(count >= 0, n.parameter(self.base_lr), 0.0)
        factors = self.function.at(np.arange(1, last + 1), n)
        for step in range(1, last + 1):
            rate = rate * factors.at(step - 1)
            rates = n.where(count >= step, rate, rates)
        return rates

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any]:
        return Chain(self.function.at(count, n), n.whole(0), n.whole(0))
