"""What a fault of some budgets at one step of one of the suite's own cases does to its verdict.

A perfect implementation's rates are made for every trial that can be planned, in every execution
mode, without a framework. Then one rate of one sequence is moved, 2,000 times, each time elsewhere:
by four budgets, and every one has to be caught; by half a budget, and none may be. (So often in
`make test-all`; less often in the other profiles of conftest.py.)

Left out, and counted: trials in which no rates are judged (signatures, exceptions that are due or
must not come, rates that are only documented, text that is read), and steps at which any finite
rate passes, the budget being infinite. Where the budget is nothing, since nothing is rounded, the
neighbouring float is the fault. Where a case sets its own tolerance, that is the budget; such
trials are counted too. A budget of a unit in the last place cannot be halved: the nearest float
within the half of it is taken.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.draws import draws
from helpers.making import MINDSPORE, TORCH, off_by_four_budgets, off_by_half_a_budget
from helpers.suite import suite

from harness import closeness
from harness.case import ScheduleCase
from harness.comparison import APPLIED, REPORTED, Comparison, precision_due
from harness.judge import Judge
from harness.observation import Observation, Sequence
from harness.plan import Trial, plan
from harness.verdict import Verdict

pytestmark = pytest.mark.xdist_group("sensitivity")

DRAWS = draws(667)
JUDGE = Judge(explains=False)


@cache
def planned() -> list[Trial]:
    """Every trial that is expected to give rates, in every mode."""
    trials = plan(suite().cases, [TORCH, MINDSPORE], full=True)
    return [t for t in trials if t.skip is None and isinstance(t.case, ScheduleCase)]


def judges_rates(trial: Trial) -> bool:
    """Whether the rates decide on the verdict, and nothing else."""
    due = trial.case.expected
    return due.values is not None and not due.reads


@cache
def judged_by_rates() -> list[Trial]:
    return [t for t in planned() if judges_rates(t)]


def perfect(trial: Trial) -> Observation:
    """What an implementation without any error gives: each rate as it is due.

    Where a case asks for its own number, to the last digit that a format prints, that is due.
    """
    case, sequences = trial.case, {}
    kinds = (REPORTED, APPLIED) if trial.shows_applied else (REPORTED,)
    for group in range(len(case.groups) + 1):
        for kind in kinds:
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


class Drawn:
    """One step of one sequence of one trial."""

    def __init__(self, number: int) -> None:
        draw = random.Random(number)
        self.trial = draw.choice(judged_by_rates())
        self.observation = perfect(self.trial)
        self.judgement = JUDGE.judge(self.trial, self.observation)
        comparison = draw.choice(self.judgement.comparisons)
        self.name, self.sign = comparison.name, draw.choice([1, -1])
        self.at = draw.randrange(len(comparison.steps))
        self.budget = float(budgets(comparison, self.trial.case)[self.at])
        self.rate = float(self.observation.sequences[self.name].values[self.at])
        # Of the exact rate; a number of the case's own is exact as it stands.
        due = self.rate == comparison.reference[self.at]
        self.remainder = float(comparison.remainder[self.at]) if due else 0.0

    def verdict(self, rate: float) -> Verdict:
        """The verdict where the rate is another."""
        sequence = self.observation.sequences[self.name]
        rates = sequence.values.copy()
        rates[self.at] = rate
        moved = {**self.observation.sequences, self.name: Sequence(sequence.precision, rates)}
        return JUDGE.judge(self.trial, replace(self.observation, sequences=moved)).verdict

    def with_four_budgets(self) -> Verdict:
        budget = self.sign * self.budget
        return self.verdict(off_by_four_budgets(self.rate, self.remainder, budget))

    def with_half_a_budget(self) -> Verdict:
        budget = self.sign * self.budget
        return self.verdict(off_by_half_a_budget(self.rate, self.remainder, budget))

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
    due = judged_by_rates()
    assert len([t for t in due if t.case.tolerance is not None]) <= len(due) // 30


def test_every_fault_of_four_budgets_at_one_step_is_caught():
    finite = [draw for draw in drawn() if np.isfinite(draw.budget)]
    passed = [draw for draw in finite if not draw.with_four_budgets().fails]
    assert not passed
    assert len(finite) >= DRAWS * 99 // 100


def test_no_fault_of_half_a_budget_at_one_step_is():
    finite = [draw for draw in drawn() if np.isfinite(draw.budget)]
    caught = [draw for draw in finite if draw.with_half_a_budget() is not Verdict.CONFORMS]
    assert not caught
