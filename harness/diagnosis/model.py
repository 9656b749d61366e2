"""What a diagnosis is: a cause that reproduces the observed values, with its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

UNEXPLAINED = "no single cause explains these values"


class Cause(StrEnum):
    """Why a sequence is not as due, the simplest first: the order in which they are preferred."""

    UNIT = "counted in another unit"
    STAIRCASE = "staircase"
    RESUMED = "resumed at the wrong step"
    SHIFT = "late or early"
    GROUP = "rate of another group"
    LENGTH = "length off by one"
    END = "clamped or not clamped at the end"
    FLUSHED = "subnormal flushed"
    FROZEN = "frozen"
    FACTOR = "factor once too often"
    ROUNDED = "parameter rounded"
    BASE = "another base rate"
    COMPUTED = "coarser arithmetic"
    DRIFT = "recursion drift"
    NOT_APPLIED = "reported but not applied"


@dataclass(frozen=True)
class Diagnosis:
    """A hypothesis that reproduces the observed values within their budget.

    Attributes:
        cause: what kind of fault it is.
        parameters: its numbers and names, such as `steps`, `step`, `parameter`, `value`.
        sentence: the same for people, without a capital or a full stop.
        sequences: the observed sequences that it is about.
        also: other hypotheses that reproduce the same values, less simple ones.
        applied: where the reported rate is as due, what explains the applied one.
    """

    cause: Cause
    parameters: dict[str, int | float | str]
    sentence: str
    sequences: tuple[str, ...]
    also: tuple[Diagnosis, ...] = ()
    applied: Diagnosis | None = None

    def __str__(self) -> str:
        if not self.also:
            return self.sentence
        others = "; or ".join(other.sentence for other in self.also)
        return f"{self.sentence} (the same values as: {others})"
