"""Every family, held against its definition in 50-digit arithmetic, over random parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from helpers.definitions import DEFINITIONS, changed, rate, ulps_off
from helpers.draws import draws
from hypothesis import assume, given, settings, strategies as st

from harness.fuzz.drawing import PARAMETERS, Draw, Parameters, decades, parameters
from harness.reference import FAMILIES

ALLOWED_ULP = 2.0
LEAST = math.ulp(0.0)
CANCELLED = 2.0**-96
"""Where terms cancel, what is left is right to this share of them: a dozen digits may go."""


LENGTHS = (
    "total_iters",
    "T_max",
    "T_0",
    "decay_steps",
    "decay_every",
    "step_size_up",
    "total_steps",
)


@st.composite
def counts(draw: Draw, family: str, made: Parameters) -> list[int]:
    """Some counts where something may happen: the beginning, the edges, within, and far out."""
    if family == "one_cycle":
        last = made["total_steps"] - 1
        near = [0, 1, int(made["pct_start"] * (last + 1)), last]
    elif family == "multiplicative" or slow(made):
        near, last = [0, 1, 2, 7], 25
    elif family == "plateau":
        near, last = [0, 1, len(made["metrics"])], len(made["metrics"])
    else:
        length = next((made[name] for name in LENGTHS if name in made), 30)
        near = [0, 1, length - 1, length, length + 1, 2 * length, 3 * length - 1]
        last = 4 * length if draw(st.booleans()) else 2**33
    within = [int(share * last) for share in draw(st.lists(st.floats(0, 1), max_size=3))]
    return sorted({min(max(count, 0), last) for count in [*near, *within]})


def slow(made: Parameters) -> bool:
    """Whether a product that goes through every count is somewhere in it."""
    return any("multiplicative" in part or slow(*part.values()) for part in made.get("parts", ()))


def test_every_family_has_a_definition_and_is_drawn():
    assert set(DEFINITIONS) == set(PARAMETERS) == set(FAMILIES)


def assert_as_defined(family: str, made: dict[str, Any], steps: list[int]) -> None:
    rates = FAMILIES[family].model_validate(made).rates(np.array(steps), 1)
    for step, value in zip(steps, rates.tolist(), strict=True):
        due = rate(family, made, step)
        # A factor below the normal range has lost digits before the base rate multiplies it.
        slack = CANCELLED * due.size + LEAST * (1 + abs(made["base_lr"]))
        off = ulps_off(value, due.value, slack)
        assert off <= ALLOWED_ULP, f"step {step}: {value!r} is {off:.3g} ULP from {due.value}"


@st.composite
def situations(draw: Any, family: str) -> tuple[dict[str, Any], list[int]]:
    made = draw(parameters(family))
    if family == "one_cycle":
        # A phase that ends where it begins has no rate.
        peak = made["pct_start"] * made["total_steps"] - 1
        assume(abs(peak) > 1e-9 and abs(made["total_steps"] - 1 - peak) > 1e-9)
        assume(abs(made["total_steps"] - 1 - 2 * peak) > 1e-9)
    return made, draw(counts(family, made))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rates_are_within_2_ulp_of_their_definition(family):
    @given(situations(family))
    def attempt(situation):
        assert_as_defined(family, *situation)

    attempt()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_the_rates_are_within_2_ulp_of_their_definition_in_many_more_draws(family):
    # Ten at a time: by itself, each would cost as much to draw as to try.
    @settings(max_examples=draws(100))
    @given(st.lists(situations(family), min_size=10, max_size=10))
    def attempt(ten):
        for situation in ten:
            assert_as_defined(family, *situation)

    attempt()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rate_set_from_outside_is_what_a_recursion_goes_on_from(family):
    @settings(max_examples=draws(33))
    @given(
        situations(family),
        st.dictionaries(st.integers(1, 39), decades(-3, 1), min_size=1, max_size=3),
        st.sampled_from([1, 3]),
    )
    def attempt(situation, changes, every):
        made, _ = situation
        assume(made.get("total_steps", 40) >= 40)
        unit = {"counted_in": "epochs"}
        if family == "exponential":
            unit = {"decay_steps": None, "decay_epochs": made["decay_steps"]}
        schedule = FAMILIES[family].model_validate({**made, **unit})
        observed = schedule.changed(np.arange(40), every, changes)
        due = changed(family, made, every, changes)
        size = max(abs(value) for value in [*due, made["base_lr"]])
        for step, value in enumerate(observed.tolist()):
            off = ulps_off(value, due[step], CANCELLED * size)
            assert off <= ALLOWED_ULP, f"step {step}: {value!r} is not {due[step]}"

    attempt()
