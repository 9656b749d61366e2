"""How the steps of one trace correspond to those of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.reference.arithmetic import Int64

Index: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class Alignment:
    """Which step of the second trace belongs to a step of the first.

    Update n of the first is update n + `offset` of the second. Where one of them counts epochs,
    `first` or `second` by `epochs_in`, its step e stands for `steps_per_epoch` updates, from
    e * `steps_per_epoch` on.
    """

    offset: int = 0
    steps_per_epoch: int = 1
    epochs_in: str = "second"

    def __str__(self) -> str:
        """The options that ask for it.

        >>> str(Alignment(offset=1, steps_per_epoch=390))
        '--offset 1 --steps-per-epoch 390'
        """
        options = [f"--offset {self.offset}"] if self.offset else []
        if self.steps_per_epoch != 1:
            options.append(f"--steps-per-epoch {self.steps_per_epoch}")
            if self.epochs_in != "second":
                options.append(f"--epochs-in {self.epochs_in}")
        return " ".join(options)

    def pairs(self, one: Int64, other: Int64) -> tuple[Int64, Index, Index]:
        """The steps that both have, and where each has them.

        The steps are those of the first, or of the second less the offset where the first counts
        epochs. `one` and `other` are strictly increasing.

        >>> steps, first, second = Alignment(offset=1).pairs(np.arange(4), np.arange(1, 3))
        >>> steps.tolist(), first.tolist(), second.tolist()
        ([0, 1], [0, 1], [0, 1])
        """
        times = self.steps_per_epoch
        if self.epochs_in == "first" and times > 1:
            updates = other - self.offset
            there, here = _found(updates // times, one)
            return updates[there], here, there
        here, there = _found((one + self.offset) // times, other)
        return one[here], here, there

    def reach(self, last: int, which: int) -> int:
        """The last step of the other that belongs to step `last` of the first (0) or second (1).

        >>> Alignment(offset=1).reach(9, 0), Alignment(offset=1).reach(9, 1)
        (10, 8)
        >>> Alignment(steps_per_epoch=5).reach(9, 0), Alignment(steps_per_epoch=5).reach(9, 1)
        (1, 49)
        """
        times = (
            [self.steps_per_epoch, 1] if self.epochs_in == "first" else [1, self.steps_per_epoch]
        )
        offset = -self.offset if which else self.offset
        return ((last + 1) * times[which] - 1 + offset) // times[1 - which]

    def span(self, one: Int64, other: Int64) -> tuple[range, range]:
        """The updates that each of them speaks of, counted as those of `pairs`; both not empty."""
        first, second = self.steps_per_epoch, 1
        if self.epochs_in == "second":
            first, second = second, first
        return (
            range(int(one[0]) * first, (int(one[-1]) + 1) * first),
            range(
                int(other[0]) * second - self.offset, (int(other[-1]) + 1) * second - self.offset
            ),
        )


def _found(wanted: Int64, there: Int64) -> tuple[Index, Index]:
    """Which of `wanted` are in `there`, and where."""
    if not len(there):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    at = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    fits = np.flatnonzero(there[at] == wanted)
    return fits, at[fits]
