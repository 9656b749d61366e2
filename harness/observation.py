"""What came back from a trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Sequence:
    """Rates, the name of the dtype in which they were seen, and their float64 image.

    `values`, shape `(n,)`, lacks rates that were never reached, so it may be shorter than what was
    asked for. The dtype is whatever the framework gave.
    """

    precision: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Raised:
    """An exception: its type, the types that it derives from, and its text."""

    type: str
    bases: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a signature; `default` is the source text of the default, None without."""

    name: str
    kind: str
    default: str | None


@dataclass(frozen=True)
class Observation:
    """The worker's answer.

    Attributes:
        sequences: by name, `reported` and `applied`.
        signature: of the API, without `self`, where that was asked.
        deprecation: what the API's own documentation says of it then, as it is installed.
        raised: the exception that ended the trial, if any; sequences seen before it stay. Without
            any it was raised before the first update, as the schedule was constructed.
        misshapen: what was given in place of one rate for each group, in words; it ended the trial.
        warnings: `Category: text` of each Python warning, in order, without repetitions.
        printed: what the process wrote to its standard output and error.
        seconds: the time from request to answer in the worker.
    """

    sequences: dict[str, Sequence] = field(default_factory=dict)
    signature: tuple[Parameter, ...] | None = None
    deprecation: str = ""
    raised: Raised | None = None
    misshapen: str = ""
    warnings: tuple[str, ...] = ()
    printed: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Lost:
    """There is no answer: the worker `crashed`, or was `timed out` and killed."""

    timed_out: bool
    reason: str
    printed: str = ""
    seconds: float = 0.0
