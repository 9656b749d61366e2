"""The suite's own cases: what a fault of four budgets at one step does to a verdict, and half a one.

A perfect implementation's rates are made for every trial that can be planned, in every execution
mode, without a framework. Then one rate of one sequence is moved, 2,000 times, each time elsewhere.

Left out, and counted: trials in which no rates are judged (signatures, exceptions that are due or
must not come, rates that are only documented, printed text), and steps at which any finite rate
passes, the budget being infinite. Where the budget is nothing, since nothing is rounded, the
neighbouring float is the fault. Where a case sets its own tolerance, that is the budget; such trials
are counted too.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import numpy as np
from making import MINDSPORE, TORCH, judged

from harness import closeness
from harness.case import ScheduleCase
from harness.comparison import APPLIED, REPORTED, Comparison, precision_due
from harness.judgement import Judgement
from harness.load import load
from harness.observation import Observation, Sequence
from harness.plan import Trial, plan
from harness.project import CASES
from harness.verdict import Verdict

DRAWS = 2_000


@cache
def planned() -> list[Trial]:
    """Every trial that is expected to give rates, in every mode."""
    trials = plan(load([CASES]).cases, [TORCH, MINDSPORE], full=True)
    return [t for t in trials if t.skip is None and isinstance(t.case, ScheduleCase)]


def judges_rates(trial: Trial) -> bool:
    """Whether the rates decide on the verdict, and nothing else."""
    due = trial.case.expected
    return due.values is not None and due.prints is None


def perfect(trial: Trial) -> Observation:
    """What an implementation without any error gives: each rate as it is due.

    Where a case asks for its own number, to the last digit that a format prints, that is due.
    """
    case, sequences = trial.case, {}
    for group in range(len(case.groups) + 1):
        for kind in (REPORTED, APPLIED):
            name = f"{kind} {group}" if group else kind
            precision, rates = precision_due(trial.implementation, name), case.reference_of(group)
            rates = closeness.rounded_if_infinite(rates, np.dtype(precision))
            if case.tolerance is not None:
                own = closeness.rounded(case.expected_of(group), np.dtype(precision))
                rates = np.where(np.isnan(own), rates, own)
            sequences[name] = Sequence(precision, rates)
    return Observation(sequences=sequences)


def budgets(comparison: Comparison, case: ScheduleCase) -> np.ndarray:
    """The budget at each step: the derived one, or the case's own where that is narrower."""
    if case.tolerance is None:
        return comparison.allowed
    own = closeness.tolerated(case.tolerance, comparison.expected, np.dtype(comparison.precision))
    return np.fmin(comparison.allowed, own)


def moved(observation: Observation, name: str, at: int, by: float) -> Observation:
    """The observation with one rate of one sequence elsewhere."""
    sequence = observation.sequences[name]
    rates = sequence.values.copy()
    rates[at] += by
    return replace(
        observation,
        sequences={**observation.sequences, name: Sequence(sequence.precision, rates)},
    )


class Drawn:
    """One step of one sequence of one trial."""

    def __init__(self, number: int) -> None:
        draw = random.Random(number)
        self.trial = draw.choice([t for t in planned() if judges_rates(t)])
        self.observation = perfect(self.trial)
        self.judgement: Judgement = judged(self.trial, self.observation)
        comparison = draw.choice(self.judgement.comparisons)
        self.name, self.sign = comparison.name, draw.choice([1, -1])
        self.at = draw.randrange(len(comparison.steps))
        self.budget = float(budgets(comparison, self.trial.case)[self.at])
        self.rate = float(self.observation.sequences[self.name].values[self.at])

    def verdict(self, share: float) -> Verdict:
        """The verdict where the rate is off by so many budgets."""
        by = self.sign * share * self.budget
        if self.budget == 0 and share > 1:
            by = float(np.spacing(np.abs(self.rate))) if np.isfinite(self.rate) else -self.rate
        off = moved(self.observation, self.name, self.at, by)
        return judged(self.trial, off).verdict

    def __repr__(self) -> str:
        return f"{self.trial.id}, {self.name} rate {self.at}: {self.rate!r} ± {self.budget!r}"


@cache
def drawn() -> list[Drawn]:
    return [Drawn(number) for number in range(DRAWS)]


def test_a_perfect_implementation_conforms():
    # Those that are drawn: what is made of them below says something only if this holds.
    wrong = [draw for draw in drawn() if draw.judgement.verdict is not Verdict.CONFORMS]
    assert not wrong


def test_few_draws_fall_where_any_rate_passes():
    infinite = [draw for draw in drawn() if np.isinf(draw.budget)]
    assert len(infinite) <= DRAWS // 100
    assert not any(np.isnan(draw.budget) for draw in drawn())


def test_few_trials_judge_no_rates():
    due = [t for t in planned() if not t.case.expected.raises and not t.case.expected.accepted]
    assert len([t for t in due if not judges_rates(t)]) <= len(due) // 50


def test_few_trials_have_a_tolerance_of_their_own():
    due = [t for t in planned() if judges_rates(t)]
    assert len([t for t in due if t.case.tolerance is not None]) <= len(due) // 30


def test_every_fault_of_four_budgets_at_one_step_is_caught():
    finite = [draw for draw in drawn() if np.isfinite(draw.budget)]
    passed = [draw for draw in finite if not draw.verdict(4).fails]
    assert not passed
    assert len(finite) >= DRAWS * 99 // 100


def test_no_fault_of_half_a_budget_at_one_step_is():
    finite = [draw for draw in drawn() if np.isfinite(draw.budget)]
    caught = [draw for draw in finite if draw.verdict(0.5) is not Verdict.CONFORMS]
    assert not caught
