"""Down by a factor whenever a metric has not improved for a while.

Source: the documentation of `torch.optim.lr_scheduler.ReduceLROnPlateau`: *patience* is the number
of epochs without improvement that are allowed, and the rate falls at the next such epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat, NonNegativeInt, PrivateAttr

from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.schedule import Chain, Counted


class Plateau(Counted):
    """`max(rate * factor, min_lr)` after more than `patience` epochs without improvement.

    A metric improves on the best so far by more than `threshold`, of the best (`rel`) or as it is
    (`abs`); what is not a number does not. After a fall, `cooldown` epochs do not count. A fall of
    at most `eps` is left out.

    >>> Plateau(base_lr=1.0, factor=0.5, patience=1, metrics=[3.0, 2.0, 2.0, 2.0, 2.0]).rates(
    ...     np.arange(6), 1).tolist()
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    """

    metrics: list[float] = Field(min_length=1, description="one for each count, from the first on")
    mode: Literal["min", "max"] = Field(default="min", description="which way is better")
    factor: FiniteFloat = Field(default=0.1, ge=0, lt=1)
    patience: NonNegativeInt = 10
    threshold: FiniteFloat = Field(default=1e-4, ge=0)
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: NonNegativeInt = 0
    min_lr: FiniteFloat = Field(default=0.0, ge=0)
    eps: FiniteFloat = Field(default=1e-8, ge=0)
    _since: int = PrivateAttr(default=0)  # falls up to there have been made

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        rate = n.parameter(self.base_lr)
        rates = n.where(count >= 0, rate, 0.0)
        for fall, least in self._made():
            rate = n.parameter(self.min_lr) if least else rate * n.parameter(self.factor)
            rates = n.where(count >= fall, rate, rates)
        return rates

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any]:
        scale, shift = n.where(count >= 0, 1.0, 1.0), n.whole(0 * count)
        for fall, least in self._made():
            here = count == fall
            scale = n.where(here, 0.0 if least else n.parameter(self.factor), scale)
            shift = n.where(here, n.parameter(self.min_lr) if least else 0.0, shift)
        return Chain(scale, n.whole(0), shift)

    def _made(self) -> Iterator[tuple[int, bool]]:
        """The falls that are more than `eps`, and whether they are to the least rate."""
        rate = self.base_lr
        for fall in self.falls():
            least = rate * self.factor <= self.min_lr
            fallen = self.min_lr if least else rate * self.factor
            if rate - fallen > self.eps:
                rate = fallen
                yield fall, least

    def found(self, count: int, rate: float) -> Plateau:
        later = self.model_copy(update={"base_lr": rate})
        later._since = count
        return later

    def falls(self) -> list[int]:
        """The counts at which the rate is due to fall."""
        best = math.inf if self.mode == "min" else -math.inf
        bad = waiting = 0
        falls = []
        for count, metric in enumerate(self.metrics, start=1):
            if self._improves(metric, best):
                best, bad = metric, 0
            else:
                bad += 1
            if waiting:
                waiting, bad = waiting - 1, 0
            if bad > self.patience:
                falls += [count] if count > self._since else []
                waiting, bad = self.cooldown, 0
        return falls

    def _improves(self, metric: float, best: float) -> bool:
        margin = self.threshold * best if self.threshold_mode == "rel" else self.threshold
        if math.isinf(best):
            margin = 0.0
        return metric < best - margin if self.mode == "min" else metric > best + margin


class Swa(Counted):
    """From the base rate to `swa_lr` in `anneal_epochs`, then constant.

    Source: `torch.optim.swa_utils.SWALR`.

    >>> Swa(base_lr=1.0, swa_lr=0.5, anneal_epochs=2, anneal="linear").rates(
    ...     np.arange(4), 1).tolist()
    [1.0, 0.75, 0.5, 0.5]
    """

    swa_lr: FiniteFloat
    anneal_epochs: NonNegativeInt = 10
    anneal: Literal["cos", "linear"] = "cos"

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        share = self._share(count, n)
        return n.parameter(self.swa_lr) * share + n.parameter(self.base_lr) * (1 - share)

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Chain[Any]:
        share, before = self._share(count, n), self._share(count - 1, n)
        done = count > self.anneal_epochs
        scale = n.where(done, 0.0, (1 - share) / n.where(done, 1.0, 1 - before))
        swa = n.parameter(self.swa_lr)
        # The recursion works its way back to the first rate and forth again.
        shift = n.where(done, swa, swa * share - swa * before * scale)
        return Chain(scale, n.whole(0), shift)

    def _share(self, count: Int64, n: Arithmetic[Any]) -> Any:
        over = count >= self.anneal_epochs
        done = n.whole(np.where(over, 0, count)) / n.whole(max(1, self.anneal_epochs))
        share = done if self.anneal == "linear" else n.half_wave(1 - done)
        return n.where(over, 1.0, share)
