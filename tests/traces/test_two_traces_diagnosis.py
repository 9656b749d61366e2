"""Two traces that differ: the cause is named, and hardly ever a wrong one."""

from __future__ import annotations

from collections import Counter
from itertools import cycle

import numpy as np
import pytest
from helpers.draws import draws
from helpers.wrong_pairs import PLANTERS, Drawn, exponential, planted, slope, trace

from harness.case import Tolerance
from harness.catalogue import Precision
from harness.traces.comparing import PairVerdict, compare
from harness.traces.diagnosis import PairCause

TIMES = draws(33)
PRECISIONS = (Precision.FLOAT64, Precision.FLOAT32)
OTHERS = pytest.param(PRECISIONS[::-1], marks=pytest.mark.slow, id="the other precision")


@pytest.mark.parametrize("precisions", [pytest.param(PRECISIONS, id="each in turn"), OTHERS])
@pytest.mark.parametrize("name", PLANTERS)
def test_what_went_wrong_is_named_and_hardly_ever_something_else(name, precisions):
    cause, named, wrong = PLANTERS[name][0], Counter(), []
    for seed, precision in zip(range(TIMES), cycle(precisions), strict=False):
        comparison = compare(*planted(name, seed, precision))
        found = comparison.diagnosis and comparison.diagnosis.cause
        named[found] += 1
        if found not in (cause, None):
            wrong.append((seed, comparison.diagnosis.sentence))
    print(f"\n{name}: {named[cause]} of {TIMES} named right, {len(wrong)} wrong")
    assert named[cause] >= 0.95 * TIMES, (named, wrong)
    assert len(wrong) <= 0.01 * TIMES, wrong


def test_the_rate_of_another_group_is_named():
    def pair(seed):
        drawn = Drawn(np.random.default_rng(seed))
        one, other = (slope(drawn.random, drawn.length)(drawn.steps) for _ in range(2))
        rates = {"reported": one, "reported 1": other}
        lost = {"reported": one, "reported 1": one}
        return (
            trace("first", rates, Precision.FLOAT64, drawn.epoch),
            trace("second", lost, Precision.FLOAT32, drawn.epoch),
        )

    causes = Counter(compare(*pair(seed)).diagnosis.cause for seed in range(TIMES))
    assert causes[PairCause.GROUP] == TIMES, causes


def test_a_difference_that_float32_alone_makes_is_told_from_one_of_the_schedule():
    """Nobody sees them differ who does not ask for more than float32 can give."""
    closer = Tolerance(rtol=1e-9, reason="asked for")
    for seed in range(TIMES):
        drawn = Drawn(np.random.default_rng(seed))
        rates = slope(drawn.random, drawn.length)(drawn.steps)
        one = trace("first", {"reported": rates}, Precision.FLOAT64, drawn.epoch)
        other = trace("second", {"reported": rates}, Precision.FLOAT32, drawn.epoch)
        assert compare(one, other).verdict is PairVerdict.AGREE
        asked = compare(one, other, tolerance=closer)
        assert asked.verdict is PairVerdict.DIFFER
        assert asked.diagnosis.cause is PairCause.PRECISION, asked.diagnosis.sentence


def test_a_fault_that_no_single_cause_explains_has_no_diagnosis():
    unexplained = 0
    for seed in range(TIMES):
        drawn = Drawn(np.random.default_rng(seed))
        one, other = (slope(drawn.random, drawn.length)(drawn.steps) for _ in range(2))
        # Another schedule, with noise that none has.
        noisy = other * drawn.random.uniform(0.5, 1.5, drawn.length)
        pair = (
            trace("first", {"reported": one}, Precision.FLOAT64, drawn.epoch),
            trace("second", {"reported": noisy}, Precision.FLOAT64, drawn.epoch),
        )
        unexplained += compare(*pair).diagnosis is None
    assert unexplained == TIMES


@pytest.mark.parametrize("by", [1, -1, 7])
def test_the_alignment_under_which_two_traces_match_is_proposed_and_holds(by):
    drawn = Drawn(np.random.default_rng(0))
    course = exponential(drawn.random, drawn.length)
    one, other = (
        trace(name, {"reported": course(np.maximum(steps, 0))}, Precision.FLOAT64, drawn.epoch)
        for name, steps in (("first", drawn.steps), ("second", drawn.steps - by))
    )
    proposed = compare(one, other).proposed
    assert proposed is not None
    assert proposed.offset == by
    assert compare(one, other, proposed).verdict is not PairVerdict.DIFFER


def test_a_trace_with_an_entry_an_epoch_is_aligned_by_its_epochs():
    drawn = Drawn(np.random.default_rng(1))
    course = exponential(drawn.random, drawn.epochs)
    one = trace(
        "first", {"reported": course(drawn.steps // drawn.epoch)}, Precision.FLOAT64, drawn.epoch
    )
    other = trace(
        "second", {"reported": course(np.arange(drawn.epochs))}, Precision.FLOAT64, drawn.epoch
    )
    proposed = compare(one, other).proposed
    assert str(proposed) == f"--steps-per-epoch {drawn.epoch}"
    assert compare(one, other, proposed).verdict is PairVerdict.AGREE


def test_a_trace_that_stops_an_epoch_early_and_agrees_until_then_is_said_to_stop():
    drawn = Drawn(np.random.default_rng(2))
    rates = slope(drawn.random, drawn.length)(drawn.steps)
    one = trace("first", {"reported": rates}, Precision.FLOAT64, drawn.epoch)
    other = trace("second", {"reported": rates[: -drawn.epoch]}, Precision.FLOAT64, drawn.epoch)
    comparison = compare(one, other)
    assert comparison.verdict is PairVerdict.INCOMPLETE
    assert comparison.diagnosis.cause is PairCause.LENGTH
    assert comparison.diagnosis.sentence == (
        f"the second has no rate from step {drawn.length - drawn.epoch} on, one epoch of "
        f"{drawn.epoch} steps before the first ends"
    )
