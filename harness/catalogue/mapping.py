"""How an implementation expresses a family: the call, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.catalogue import driven, exponential, shapes
from harness.catalogue.call import Call, Training, Unsupported
from harness.catalogue.model import Implementation
from harness.catalogue.rows import Row
from harness.reference import Schedule

__all__ = ["Call", "Mapping", "Training", "Unsupported", "express", "mappings"]


@dataclass(frozen=True)
class Mapping:
    """One implementation's way to express one family.

    `parameters` pairs each argument with the family's term for it; `exact_when` is the condition
    under which the API can express the schedule.
    """

    family: str
    api: str
    parameters: dict[str, str]
    exact_when: str
    express: Callable[[Any, Training], Call | Unsupported] = field(repr=False)


_ROWS: dict[str, list[Row]] = {
    "constant": shapes.CONSTANT,
    "cosine": shapes.COSINE,
    "cyclic": shapes.CYCLIC,
    "exponential": list(exponential.MAPPINGS),
    "inverse_time": shapes.INVERSE_TIME,
    "lambda": driven.LAMBDA,
    "linear": shapes.LINEAR,
    "multiplicative": driven.MULTIPLICATIVE,
    "multistep": shapes.MULTISTEP,
    "natural_exponential": shapes.NATURAL_EXPONENTIAL,
    "one_cycle": shapes.ONE_CYCLE,
    "piecewise": shapes.PIECEWISE,
    "plateau": driven.PLATEAU,
    "polynomial": shapes.POLYNOMIAL,
    "swa": shapes.SWA,
    "warm_restarts": shapes.WARM_RESTARTS,
}
driven.compositions(_ROWS)

_MAPPINGS = {
    (family, api): Mapping(family, api, parameters, exact_when, function)
    for family, rows in sorted(_ROWS.items())
    for api, parameters, exact_when, function in rows
}


def mappings(api: str | None = None, family: str | None = None) -> list[Mapping]:
    """The mappings of one implementation, of one family, or of all."""
    return [
        mapping
        for mapping in _MAPPINGS.values()
        if api in (None, mapping.api) and family in (None, mapping.family)
    ]


def express(
    implementation: Implementation, family: str, schedule: Schedule, training: Training
) -> Call | Unsupported:
    """The call that makes `implementation` follow `schedule` in `training`."""
    mapping = _MAPPINGS.get((family, implementation.api))
    if mapping is None:
        return Unsupported(f"{implementation.short} has no {family} schedules")
    return mapping.express(schedule, training)
