"""A trace: the learning rates of one run, update by update."""

from __future__ import annotations

from dataclasses import dataclass

from harness.catalogue import Precision
from harness.reference.arithmetic import Float64, Int64


@dataclass(frozen=True)
class Header:
    """What a trace says of itself; `source` is its file or function, for messages."""

    source: str
    framework: str | None = None
    framework_version: str | None = None
    device: str | None = None
    optimizer: str | None = None
    scheduler: str | None = None
    steps_per_epoch: int | None = None


@dataclass(frozen=True)
class Trace:
    """The rates of one run.

    Attributes:
        header: where it comes from.
        steps: update numbers from 0, strictly increasing, shape `(n,)`.
        sequences: by name (`reported`, `applied`, `reported 1` of group 1), shape `(n,)`; NaN where
            a rate is not known.
        precision: the precision in which each sequence was held.
        problems: what was wrong with it and how that was treated, in words.
        resumed: updates before which the run went on in a new process.
        is_function: whether it is no record but a schedule, which lacks nothing where the trace
            that it is compared with has no rate.
        rounded_once: whether each rate was computed in float32 or better, and rounded once to its
            precision, as the rates of a list are.
    """

    header: Header
    steps: Int64
    sequences: dict[str, Float64]
    precision: dict[str, Precision]
    problems: tuple[str, ...] = ()
    resumed: tuple[int, ...] = ()
    is_function: bool = False
    rounded_once: bool = False
