"""Which recorded finding a random example has met.

A record names the cases that show its divergence, and a random example has no name that it could
know. So here stands, for each record that random examples can meet, under which parameters and in
which situation they do. What the record says itself, the implementations, the versions, the
exception and its text, is not said again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from harness.case import KnownDivergence, Observed, ScheduleCase
from harness.catalogue import Made
from harness.catalogue.rows import EXPERIMENTAL
from harness.judgement import Judgement
from harness.observation import Observation
from harness.plan import Trial
from harness.reference import (
    Chained,
    Constant,
    Cosine,
    Cyclic,
    Exponential,
    InverseTime,
    Linear,
    Multiplicative,
    MultiStep,
    NaturalExponential,
    OneCycle,
    Plateau,
    Polynomial,
    Schedule,
    Sequential,
    Swa,
    WarmRestarts,
    with_parts,
)
from harness.reference.arithmetic import Int64
from harness.verdict import Verdict
from harness.versions import within


@dataclass(frozen=True)
class Seen:
    """What may be looked at: a schedule or a part of one, the case, and what became of it."""

    schedule: Any
    case: ScheduleCase
    judgement: Judgement

    @property
    def is_part(self) -> bool:
        """Whether the schedule is a part of the case's."""
        return self.schedule is not self.case.schedule

    @property
    def off(self) -> Int64:
        """The counts of the steps that are not as due."""
        steps = [comparison.diverging for comparison in self.judgement.comparisons]
        return self.counts(np.unique(np.concatenate([np.empty(0, np.int64), *steps])))

    @property
    def last(self) -> int:
        """The last count of the training: a step() follows the last update too."""
        return int(self.counts(self.case.observed_steps[-1:] + 1)[0])

    def counts(self, steps: Int64) -> Int64:
        """Updates or epochs already made."""
        return self.case.schedule.counts(steps, self.case.steps_per_epoch)

    @property
    def observed(self) -> list[float]:
        """The rates that are not as due."""
        return [
            float(value)
            for comparison in self.judgement.comparisons
            for step, value in zip(
                comparison.steps.tolist(), comparison.observed.tolist(), strict=True
            )
            if step in comparison.diverging
        ]

    def resumed_at(self) -> int | None:
        """The count at which the training goes on by last_epoch, if it does."""
        resume = self.case.resume
        if resume is None or resume.by != "last_epoch":
            return None
        return int(self.counts(np.array([resume.at]))[0])

    def off_from(self, count: int) -> bool:
        """Whether nothing is off before a count; in a part, whatever is."""
        return self.is_part or bool((self.off >= count).all())

    def off_since_resumed(self) -> bool:
        """Whether it was resumed by last_epoch, and all was right until then."""
        at = self.resumed_at()
        return at is not None and self.off_from(at)

    def joined(self) -> bool:
        """Whether a parameter group joined in mid-training."""
        return any(group.added_at for group in self.case.groups)

    def stepped(self) -> bool:
        """Whether it was stepped without an argument."""
        return self.case.stepping == "plain"


Holds: TypeAlias = Callable[[Seen], bool]


@dataclass(frozen=True)
class Meeting:
    """How random examples meet a record.

    Attributes:
        of: the family that the predicate speaks of, be it the case's own or that of a part.
        holds: whether the record's divergence is due to occur.
        apis: a glob for those that show it too, beside the record's implementations.
        message: what the exception says, where the record's own text is of one case only.
        raises: the exception that it may end in too, where the record's cases give rates.
    """

    of: type[Schedule]
    holds: Holds
    apis: str = ""
    message: str = ""
    raises: str = ""


def _at_a_stair(seen: Seen) -> bool:
    at, schedule = seen.resumed_at(), seen.schedule
    return seen.off_since_resumed() and at is not None and at % schedule.decay_every == 0


def _decays_once_more(seen: Seen) -> bool:
    """ExponentialLR always does so, StepLR at the edge of a stair."""
    steps = seen.judgement.trial.implementation.api.endswith("StepLR")
    return _at_a_stair(seen) if steps else seen.off_since_resumed()


def _at_a_milestone(seen: Seen) -> bool:
    return seen.off_since_resumed() and seen.resumed_at() in seen.schedule.milestones


def _constant_was_undone(seen: Seen) -> bool:
    return seen.off_since_resumed() and seen.resumed_at() == seen.schedule.total_iters


def _is_subnormal(rate: Any) -> bool:
    return bool(abs(rate) < float(np.finfo(np.float32).tiny))


def _comes_back_from_few_digits(seen: Seen) -> bool:
    schedule = seen.schedule
    small = _is_subnormal(schedule.factor) or _is_subnormal(schedule.base_lr * schedule.factor)
    return schedule.factor > 0 and small and seen.off_from(schedule.total_iters)


def _starts_from_few_digits(seen: Seen) -> bool:
    schedule = seen.schedule
    start = schedule.start_factor
    return _is_subnormal(start) or _is_subnormal(start * schedule.base_lr)


def _a_phase_has_no_length(seen: Seen) -> bool:
    schedule = seen.schedule
    up, last = schedule.pct_start * schedule.total_steps - 1, schedule.total_steps - 1
    ends = [0, up, 2 * up, last] if schedule.three_phase else [0, up, last]
    return any(end == begin for begin, end in pairwise(ends))


def _falls_late(seen: Seen) -> bool:
    return seen.schedule.staircase and bool((seen.off > 2**24).all())


def _prints_eight_decimals(seen: Seen) -> bool:
    """A rate between 1e-5 and 0.1 was read before."""
    reference = seen.case.schedule.rates(np.arange(seen.case.observed_steps[-1] + 1), 1)
    small = (np.abs(reference) < 0.1) & (np.abs(reference) > 1e-5)
    return bool(small.any()) and bool((seen.off > np.argmax(small)).all())


def _restarted(seen: Seen) -> bool:
    at = seen.resumed_at()
    return seen.off_since_resumed() and at is not None and at >= seen.schedule.T_0


def _later(seen: Seen, *families: str) -> bool:
    return any(part.family in families for part in seen.schedule.parts[1:])


def _any(seen: Seen, *families: str) -> bool:
    return any(part.family in families for part in seen.schedule.parts)


_CONTAINERS = "sequential", "chained"
_CYCLES = "cyclic", "one_cycle"

MEETINGS: dict[str, list[Meeting]] = {
    "ConstantLR-for-no-updates": [
        # step(epoch) knows better, so there only the first rate is off.
        Meeting(
            Constant,
            lambda seen: seen.schedule.total_iters == 0 and (seen.stepped() or not seen.off.any()),
        )
    ],
    "torch-ConstantLR-factor-zero": [
        Meeting(
            Constant,
            lambda seen: seen.schedule.factor == 0 and 0 < seen.schedule.total_iters <= seen.last,
        )
    ],
    "experimental-ConstantLR-factor-zero": [
        Meeting(
            Constant,
            lambda seen: seen.schedule.factor == 0 and bool(np.isnan(seen.observed).all()),
        ),
        Meeting(
            Constant,
            lambda seen: seen.schedule.factor == 0 and seen.resumed_at() is not None,
            raises="ValueError",
            message="got 'nan'",
        ),
    ],
    "ConstantLR-resumed-by-last_epoch": [Meeting(Constant, _constant_was_undone)],
    "experimental-ConstantLR-subnormal-factor": [Meeting(Constant, _comes_back_from_few_digits)],
    "experimental-CosineAnnealingLR-resumed-by-last_epoch": [
        Meeting(Cosine, lambda seen: seen.off_since_resumed())
    ],
    "torch-CosineAnnealingLR-added-group-dies-at-the-turn": [
        Meeting(Cosine, lambda seen: seen.joined() and seen.last > seen.schedule.T_max)
    ],
    "torch-CyclicLR-triangular2-overflows": [
        Meeting(Cyclic, lambda seen: seen.schedule.policy == "triangular2" and seen.last > 2**11)
    ],
    "experimental-schedulers-resumed-by-last_epoch": [Meeting(Exponential, _decays_once_more)],
    "torch-StepLR-resumed-by-last_epoch": [Meeting(Exponential, _at_a_stair)],
    "experimental-optimizer-after-add_param_group": [
        Meeting(Schedule, lambda seen: seen.joined(), apis=f"{EXPERIMENTAL}.*")
    ],
    "ExponentialDecayLR-late-stairs": [Meeting(Exponential, _falls_late)],
    "Cells-stair-falls-early": [
        Meeting(InverseTime, _falls_late),
        Meeting(NaturalExponential, _falls_late),
    ],
    "LambdaLR-group-added-later": [Meeting(Schedule, lambda seen: seen.joined())],
    "experimental-LinearLR-resumed-by-last_epoch": [
        Meeting(Linear, lambda seen: seen.off_since_resumed())
    ],
    "torch-LinearLR-to-zero": [
        Meeting(
            Linear,
            lambda seen: seen.schedule.end_factor == 0 and seen.off_from(seen.schedule.total_iters),
        )
    ],
    "experimental-LinearLR-to-zero": [
        Meeting(
            Linear,
            lambda seen: seen.schedule.end_factor == 0 and seen.off_from(seen.schedule.total_iters),
        )
    ],
    "experimental-LinearLR-subnormal-start": [Meeting(Linear, _starts_from_few_digits)],
    "OneCycleLR-divides-by-a-phase-of-no-length": [Meeting(OneCycle, _a_phase_has_no_length)],
    "LearningRateScheduler-eight-decimals": [Meeting(Multiplicative, _prints_eight_decimals)],
    "experimental-MultiplicativeLR-resumed-a-factor-ahead": [
        Meeting(Multiplicative, lambda seen: seen.off_since_resumed())
    ],
    "MultiStepLR-resumed-by-last_epoch": [Meeting(MultiStep, _at_a_milestone)],
    "experimental-MultiStepLR-step-epoch": [
        Meeting(MultiStep, lambda seen: not seen.stepped() and not seen.is_part)
    ],
    "OneCycleLR-resumed-by-last_epoch": [
        Meeting(
            OneCycle,
            lambda seen: seen.resumed_at() is not None,
            message="initial_lr|max_lr|min_lr",
        )
    ],
    "OneCycleLR-added-group": [
        Meeting(OneCycle, lambda seen: seen.joined(), message="initial_lr|max_lr|min_lr")
    ],
    "experimental-PolynomialLR-resumed-by-last_epoch": [
        Meeting(Polynomial, lambda seen: seen.off_since_resumed())
    ],
    "experimental-SequentialLR-milestone-zero": [
        Meeting(Sequential, lambda seen: 0 in seen.schedule.milestones)
    ],
    "experimental-SequentialLR-with-MultiStepLR": [
        Meeting(Sequential, lambda seen: _later(seen, "multistep"))
    ],
    "torch-SequentialLR-then-MultiplicativeLR": [
        Meeting(Sequential, lambda seen: _later(seen, "multiplicative"))
    ],
    "experimental-SequentialLR-then-MultiplicativeLR": [
        Meeting(Sequential, lambda seen: _later(seen, "multiplicative"))
    ],
    "torch-SequentialLR-container-first": [
        Meeting(Sequential, lambda seen: seen.schedule.parts[0].family in _CONTAINERS)
    ],
    "torch-SequentialLR-container-later": [
        Meeting(Sequential, lambda seen: _later(seen, *_CONTAINERS))
    ],
    "experimental-SequentialLR-nested": [
        Meeting(Sequential, lambda seen: _any(seen, *_CONTAINERS))
    ],
    "SequentialLR-initial-rate-from-one-part": [
        Meeting(Sequential, lambda seen: _any(seen, *_CYCLES) and len(seen.schedule.parts) > 1)
    ],
    "ChainedScheduler-cosine-beyond-T_max": [Meeting(Chained, lambda seen: _any(seen, "cosine"))],
    "SWALR-resumed-by-last_epoch": [Meeting(Swa, lambda seen: seen.off_since_resumed())],
    "SWALR-added-group": [Meeting(Swa, lambda seen: seen.joined())],
    "torch-CosineAnnealingWarmRestarts-resumed-by-last_epoch": [
        Meeting(WarmRestarts, lambda seen: seen.schedule.T_mult > 1 and _restarted(seen))
    ],
    "experimental-CosineAnnealingWarmRestarts-resumed-by-last_epoch": [
        Meeting(WarmRestarts, _restarted)
    ],
    "torch-CosineAnnealingWarmRestarts-step-epoch-at-a-restart": [
        Meeting(WarmRestarts, lambda seen: not seen.stepped() and seen.schedule.T_mult > 2)
    ],
    "experimental-CosineAnnealingWarmRestarts-step-epoch-with-T_mult": [
        Meeting(
            WarmRestarts,
            lambda seen: (
                not seen.stepped() and seen.schedule.T_mult > 1 and seen.last >= seen.schedule.T_0
            ),
        )
    ],
    "torch-SequentialLR-added-group": [
        Meeting(
            Sequential, lambda seen: seen.joined() and seen.last >= min(seen.schedule.milestones)
        )
    ],
    "torch-absolute-schedulers-added-group": [Meeting(Schedule, lambda seen: seen.joined())],
    "callback-ReduceLROnPlateau-ignores-zero": [
        Meeting(Plateau, lambda seen: 0 in seen.schedule.metrics)
    ],
}


@dataclass(frozen=True)
class Known:
    """The recorded findings, for those who ask of a judgement whether it is one of them.

    `versions` are those of the framework in each environment.
    """

    records: Sequence[KnownDivergence]
    versions: dict[str, str]

    def met(self, judgement: Judgement) -> KnownDivergence | None:
        """The record of the divergence that a judgement shows, or None if there is none."""
        case, trial = judgement.trial.case, judgement.trial
        if not isinstance(case, ScheduleCase):
            return None
        version = self.versions.get(trial.target.environment, "0")
        fitting = (
            record
            for record in self.records
            if fnmatchcase(str(trial.target), record.target) and within(version, record.versions)
        )
        meets = _meets_input if case.dimension == "validation" else _meets
        return next((record for record in fitting if meets(record, case, judgement)), None)


def _meets_input(record: KnownDivergence, case: ScheduleCase, judgement: Judgement) -> bool:
    """The input is one of the suite's own, whose case the record names."""
    api = judgement.trial.implementation.api
    return api in record.implementations and any(
        name in record.cases and _looks_like(record.look(name), judgement) for name in case.tags
    )


def _meets(record: KnownDivergence, case: ScheduleCase, judgement: Judgement) -> bool:
    apis = set(_apis(judgement.trial))
    looks = [record.observed, *record.observed_in.values()]
    return any(
        (apis & set(record.implementations) or any(fnmatchcase(a, meeting.apis) for a in apis))
        and any(_looks_like(look, judgement, meeting) for look in looks)
        and any(
            isinstance(schedule, meeting.of) and meeting.holds(Seen(schedule, case, judgement))
            for schedule in with_parts(case.schedule)
        )
        for meeting in MEETINGS.get(record.name, ())
    )


def _looks_like(look: Observed, judgement: Judgement, meeting: Meeting | None = None) -> bool:
    """Whether it is the same exception, or a rate where an exception was due, or other rates."""
    observation = judgement.observation
    if not isinstance(observation, Observation):
        return False
    raised = observation.raised
    if raised is not None:
        text = (meeting and meeting.message) or look.message or ""
        raises = (meeting and meeting.raises) or look.raises
        return raised.type == raises and bool(re.search(text, raised.message))
    if judgement.verdict is Verdict.ACCEPTED:
        return bool(look.accepted)
    return judgement.verdict is Verdict.DIVERGES and look.values is not None


def _apis(trial: Trial) -> Iterator[str]:
    """The implementation, and those that its call makes parts of."""
    yield trial.implementation.api
    values: list[Any] = list(trial.call.arguments.values()) if trial.call else []
    while values:
        value = values.pop()
        if isinstance(value, Made):
            yield value.api
            values += value.arguments.values()
        elif isinstance(value, list):
            values += value
