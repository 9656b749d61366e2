"""What the judge says of one trial."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.case import KnownDivergence
from harness.comparison import Comparison, Deviation
from harness.diagnosis.model import UNEXPLAINED, Diagnosis
from harness.observation import Lost, Observation
from harness.plan import Trial
from harness.verdict import Verdict


@dataclass(frozen=True)
class Judgement:
    """The verdict on one trial, and why.

    `reasons` are sentences, the most telling first. `record` is the known divergence that covers
    the trial, also where it has gone stale. `diagnosis` is the cause that reproduces the values
    of a trial that diverges, where one does; `unexplained` says that one was looked for and none
    found. `other_faults` are the reasons that are about neither a rate nor an exception.
    """

    trial: Trial
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    observation: Observation | Lost | None = None
    record: KnownDivergence | None = None
    diagnosis: Diagnosis | None = None
    unexplained: bool = False
    other_faults: tuple[str, ...] = ()

    def without_values(self) -> Judgement:
        """The same without what was observed, whose size is that of its sequences."""
        return replace(self, comparisons=(), observation=None)

    @property
    def why(self) -> str | None:
        """The diagnosis in words, or that there is none; None where none was looked for."""
        if self.diagnosis is not None:
            return str(self.diagnosis)
        off = any(c.share is not None and not c.share.value <= 1 for c in self.comparisons)
        return UNEXPLAINED if self.unexplained and off else None

    @property
    def first(self) -> Deviation | None:
        """The deviation at the earliest step."""
        firsts = [c.first for c in self.comparisons if c.first is not None]
        return min(firsts, key=lambda deviation: deviation.step, default=None)
