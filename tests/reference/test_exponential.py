"""Exponential decay, held against its definition in 50-digit arithmetic and against hand counts."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from helpers.draws import draws
from hypothesis import assume, example, given, settings, strategies as st

from harness.reference import Exponential

ALLOWED_ULP = 2.0


def exact(schedule: Exponential, step: int, steps_per_epoch: int) -> mpmath.mpf:
    """The definition: base_lr * decay_rate ** p, p counted in whole epochs or in updates."""
    count = step // steps_per_epoch if schedule.decay_epochs else step
    every = schedule.decay_steps or schedule.decay_epochs
    with mpmath.workdps(50):
        power = mpmath.mpf(count // every) if schedule.staircase else mpmath.mpf(count) / every
        rate, base = mpmath.mpf(schedule.decay_rate), mpmath.mpf(schedule.base_lr)
        if rate < 0:
            odd = int(power) % 2
            return base * mpmath.power(-rate, power) * (-1 if odd else 1)
        return base * mpmath.power(rate, power)


def assert_within_2_ulp(schedule: Exponential, step: int, steps_per_epoch: int) -> None:
    due = exact(schedule, step, steps_per_epoch)
    rounded = float(due)
    value = schedule.rates(np.array([step]), steps_per_epoch).item()
    if math.isinf(rounded):
        assert value == rounded
        return
    with mpmath.workdps(50):
        off = float(abs(mpmath.mpf(value) - due) / math.ulp(rounded))
    assert off <= ALLOWED_ULP, f"{value!r} is {off:.2f} ULP from {rounded!r}"


RATES = (
    st.floats(-300, 3).map(lambda e: 10.0**e)
    | st.floats(0, 16).map(lambda k: 1 - 10.0**-k)
    | st.floats(0, 15).map(lambda k: 1 + 10.0**-k)
    | st.floats(0.05, 1.5)
    | st.sampled_from([0.0, 1.0, 0.1, 0.5, 0.9, 0.99, 0.9999, 2.0])
)
BASES = st.floats(1e-12, 1e6) | st.floats(-12, 6).map(lambda e: 10.0**e) | st.floats(-1e6, -1e-12)


@st.composite
def situations(draw):
    """A schedule, and a step that more often than not has a rate within float64's range."""
    rate, every = draw(RATES), int(10 ** draw(st.floats(0, 6)))
    staircase, per_epoch = draw(st.booleans()), draw(st.booleans())
    if draw(st.integers(0, 7)) == 0:
        rate, staircase = -rate, True
    schedule = Exponential(
        base_lr=draw(BASES),
        decay_rate=rate,
        decay_steps=None if per_epoch else every,
        decay_epochs=every if per_epoch else None,
        staircase=staircase,
    )
    steps_per_epoch = int(10 ** draw(st.floats(0, 4)))
    # How many counts it takes to leave the range, and a little more.
    octaves = abs(math.log2(abs(rate))) if rate else 0
    reach = 1150 * every / octaves if octaves else 2**31
    if per_epoch:
        reach *= steps_per_epoch
    step = int(draw(st.floats(0, 1)) * min(2**31, reach))
    return schedule, step, steps_per_epoch


@settings(max_examples=draws(333))
@given(situations())
def test_the_rate_is_within_2_ulp_of_its_definition(situation):
    assert_within_2_ulp(*situation)


@pytest.mark.slow
@settings(max_examples=draws(333))
@given(st.lists(situations(), min_size=10, max_size=10))
def test_the_rate_is_within_2_ulp_of_its_definition_in_many_more_draws(ten):
    for situation in ten:
        assert_within_2_ulp(*situation)


@given(st.floats(0, 16), st.integers(0, 2**31), BASES)
@example(9.0, 2**31, 0.1)
@example(15.9, 2**31, 0.1)
def test_a_decay_that_hardly_decays_is_right_after_two_thousand_million_updates(k, step, base):
    schedule = Exponential(base_lr=base, decay_rate=1 - 10.0**-k, decay_steps=1)
    assert_within_2_ulp(schedule, step, 1)


@given(st.floats(-323.3, -307.7), st.integers(1, 10**6), BASES)
def test_a_subnormal_rate_is_within_2_of_the_smallest_units(decade, every, base):
    rate = 0.5
    step = int(every * (math.log2(abs(base)) - decade * math.log2(10)))
    schedule = Exponential(base_lr=base, decay_rate=rate, decay_steps=every)
    assume(abs(float(exact(schedule, step, 1))) < np.finfo(np.float64).tiny)
    assert_within_2_ulp(schedule, step, 1)


def test_the_range_is_left_at_the_right_step():
    # 1.0 * 10 ** 308 is the last power of ten in float64, 10 ** -323 the last above zero.
    up = Exponential(base_lr=1.0, decay_rate=10.0, decay_steps=1)
    assert up.rates(np.array([308, 309, 2**33]), 1).tolist() == [1e308, math.inf, math.inf]
    down = Exponential(base_lr=-1.0, decay_rate=0.5, decay_steps=1)
    assert down.rates(np.array([1074, 1075, 2**33]), 1).tolist() == [-5e-324, 0.0, 0.0]


def test_a_rate_of_one_stands_still_and_a_rate_of_zero_falls_at_once():
    steps = np.array([0, 1, 2, 2**31])
    still = Exponential(base_lr=0.3, decay_rate=1.0, decay_steps=7)
    assert still.rates(steps, 1).tolist() == [0.3] * 4
    gone = Exponential(base_lr=0.3, decay_rate=0.0, decay_steps=7)
    assert gone.rates(steps, 1).tolist() == [0.3, 0.0, 0.0, 0.0]
    late = Exponential(base_lr=0.3, decay_rate=0.0, decay_steps=7, staircase=True)
    assert late.rates(np.array([0, 6, 7]), 1).tolist() == [0.3, 0.3, 0.0]


def test_a_base_of_zero_stays_zero_however_the_rate_grows():
    schedule = Exponential(base_lr=0.0, decay_rate=2.0, decay_steps=1)
    assert schedule.rates(np.array([0, 10, 5000]), 1).tolist() == [0.0, 0.0, 0.0]


def test_a_negative_rate_changes_sign_at_every_decay():
    each = Exponential(base_lr=0.5, decay_rate=-0.5, decay_steps=1)
    assert each.rates(np.arange(5), 1).tolist() == [0.5, -0.25, 0.125, -0.0625, 0.03125]
    stairs = Exponential(base_lr=0.5, decay_rate=-0.5, decay_steps=2, staircase=True)
    assert stairs.rates(np.arange(5), 1).tolist() == [0.5, 0.5, -0.25, -0.25, 0.125]


def test_updates_and_epochs_are_counted_as_said():
    # 0.8, and a quarter of it after two counts: half of it after one.
    steps = np.arange(8)
    smooth = {"base_lr": 0.8, "decay_rate": 0.25}
    assert Exponential(**smooth, decay_steps=2).rates(steps[:5], 3).tolist() == pytest.approx(
        [0.8, 0.4, 0.2, 0.1, 0.05], rel=1e-15
    )
    assert Exponential(**smooth, decay_epochs=2).rates(steps, 2).tolist() == pytest.approx(
        [0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1], rel=1e-15
    )
    stairs = {**smooth, "staircase": True}
    assert Exponential(**stairs, decay_steps=3).rates(steps, 2).tolist() == pytest.approx(
        [0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.05, 0.05], rel=1e-15
    )
    assert Exponential(**stairs, decay_epochs=2).rates(steps, 2).tolist() == pytest.approx(
        [0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.2], rel=1e-15
    )


@given(situations(), st.integers(1, 50))
def test_a_staircase_meets_the_smooth_decay_at_its_edges(situation, stair):
    schedule, _, steps_per_epoch = situation
    assume(schedule.decay_rate >= 0)
    count = stair * schedule.decay_every * (steps_per_epoch if schedule.per_epoch else 1)
    assume(count < 2**33)
    steps = np.array([count])
    smooth = schedule.model_copy(update={"staircase": False}).rates(steps, steps_per_epoch).item()
    stairs = schedule.model_copy(update={"staircase": True}).rates(steps, steps_per_epoch).item()
    # Each is within 2 ULP of the same number, or both have left the range.
    assert smooth == stairs or abs(smooth - stairs) <= 4 * math.ulp(stairs)


def test_rates_have_the_shape_and_type_of_a_sequence():
    schedule = Exponential(base_lr=0.1, decay_rate=0.9, decay_steps=3)
    for steps in (np.arange(0), np.arange(5)):
        rates = schedule.rates(steps, 1)
        assert (rates.shape, rates.dtype) == (steps.shape, np.float64)
