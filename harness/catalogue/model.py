"""The words in which the catalogue describes an implementation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import ml_dtypes  # which teaches numpy bfloat16

from harness.versions import within


class Kind(StrEnum):
    """How an implementation is driven, which is all that an adapter has to know of it."""

    SCHEDULER = "scheduler"
    """wraps an optimizer and is advanced by `step()`"""
    LIST = "list"
    """a function that returns the rate of every step, for an optimizer to look up"""
    CELL = "cell"
    """called with the step, by the user or by an optimizer"""
    CALLBACK = "callback"
    """given to `Model.train` or `fit`, and changes the optimizer's rate on the way"""


class Form(StrEnum):
    """How rounding errors accumulate."""

    CLOSED = "closed"
    """each rate is computed from the step alone"""
    RECURSIVE = "recursive"
    """each rate is computed from the one before"""


class Precision(StrEnum):
    """A binary floating-point format: those of IEEE 754, and bfloat16.

    `numpy.dtype` knows each of them by its name.
    """

    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


@cache
def limits(precision: Any) -> Any:
    """`numpy.finfo`, for each precision, or its dtype."""
    return ml_dtypes.finfo(precision)  # type: ignore[no-untyped-call]


@cache
def smallest_normal(precision: Precision) -> float:
    """The smallest number that has all digits of its format."""
    return float(limits(precision).tiny)


@dataclass(frozen=True)
class Implementation:
    """One public API that realises schedules.

    `modes` are the execution modes in which it is tried, `precision` is what it computes and
    reports its rates in, `applied_precision` is that of the weights whose movement shows the
    applied rate. `since` is the first version of the framework that has it, `until` the first that
    has it no more; either is empty where no version that the suite knows of is without it.
    """

    api: str
    framework: str
    kind: Kind
    form: Form
    precision: Precision
    applied_precision: Precision
    modes: tuple[str, ...]
    formula: str
    documentation: str
    since: str = ""
    until: str = ""

    def absence(self, version: str) -> str:
        """Why a version of the framework has no such API, or nothing where it has."""
        name = f"{self.framework} {version} has no {self.api.rpartition('.')[2]}"
        if self.since and within(version, f"<{self.since}"):
            return f"{name}, which came with {self.since}"
        if self.until and within(version, f">={self.until}"):
            return f"{name}, which went with {self.until}"
        return ""

    @property
    def short(self) -> str:
        """`torch.ExponentialLR`: the framework and the last name, for headings."""
        last = self.api.rpartition(".")[2]
        module = "experimental." if ".experimental." in self.api else ""
        return f"{self.framework}.{'train.' if self.kind is Kind.CALLBACK else module}{last}"
