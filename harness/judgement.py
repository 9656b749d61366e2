"""What the judge says of one trial."""

from __future__ import annotations

from dataclasses import dataclass

from harness.case import KnownDivergence
from harness.comparison import Comparison, Deviation
from harness.observation import Lost, Observation
from harness.plan import Trial
from harness.verdict import Verdict


@dataclass(frozen=True)
class Judgement:
    """The verdict on one trial, and why.

    `reasons` are sentences, the most telling first. `record` is the known divergence that covers
    the trial, also where it has gone stale.
    """

    trial: Trial
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    observation: Observation | Lost | None = None
    record: KnownDivergence | None = None

    @property
    def first(self) -> Deviation | None:
        """The deviation at the earliest step."""
        firsts = [c.first for c in self.comparisons if c.first is not None]
        return min(firsts, key=lambda deviation: deviation.step, default=None)
