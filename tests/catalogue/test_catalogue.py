"""The catalogue: each call that it makes, put into the API's documented formula, is the schedule.

The formulas here are written down from the documentation of each API, in exact rational counts and
50-digit powers, and know nothing of the reference models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import pytest
from helpers.making import (
    CELL,
    EXPERIMENTAL_EXPONENTIAL,
    EXPERIMENTAL_STEP,
    LIST,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
)
from hypothesis import assume, given, settings, strategies as st

from harness.catalogue import (
    IMPLEMENTATIONS,
    Call,
    Form,
    Kind,
    Training,
    Unsupported,
    express,
    mappings,
)
from harness.reference import FAMILIES, Exponential

EXPONENTIAL_LRS = (TORCH_EXPONENTIAL, EXPERIMENTAL_EXPONENTIAL)
STEP_LRS = (TORCH_STEP, EXPERIMENTAL_STEP)


def power(base: float, exponent: mpmath.mpf) -> mpmath.mpf:
    if base < 0:
        assert exponent == int(exponent), "no real power"
        return mpmath.power(-base, exponent) * (-1 if int(exponent) % 2 else 1)
    return mpmath.power(base, exponent)


# What each API is documented to give at an update, from its own arguments.


def scheduler(call: Call, update: int, steps_per_epoch: int) -> mpmath.mpf:
    """`lr * gamma ** epoch`, or `// step_size` before that; an epoch is a call of step()."""
    epoch = update // steps_per_epoch if call.per_epoch else update
    decays = epoch // call.arguments.get("step_size", 1)
    return mpmath.mpf(call.base_lr) * power(call.arguments["gamma"], mpmath.mpf(decays))


def list_function(call: Call, update: int, _: int) -> mpmath.mpf:
    """`learning_rate * decay_rate ** (current_epoch / decay_epoch)`, floored with is_stair."""
    a = call.arguments
    assert update < a["total_step"], "the list is too short"
    decays = mpmath.mpf(update // a["step_per_epoch"]) / a["decay_epoch"]
    decays = mpmath.floor(decays) if a["is_stair"] else decays
    return mpmath.mpf(a["learning_rate"]) * power(a["decay_rate"], decays)


def cell(call: Call, update: int, _: int) -> mpmath.mpf:
    """`learning_rate * decay_rate ** (current_step / decay_steps)`, floored with is_stair."""
    a = call.arguments
    decays = mpmath.mpf(update) / a["decay_steps"]
    decays = mpmath.floor(decays) if a["is_stair"] else decays
    return mpmath.mpf(a["learning_rate"]) * power(a["decay_rate"], decays)


FORMULAS: dict[str, Callable[[Call, int, int], mpmath.mpf]] = {
    **dict.fromkeys((*EXPONENTIAL_LRS, *STEP_LRS), scheduler),
    LIST: list_function,
    CELL: cell,
}


def defined(schedule: Exponential, update: int, steps_per_epoch: int) -> mpmath.mpf:
    """The family's definition: base_lr * decay_rate ** p."""
    every = schedule.decay_steps or schedule.decay_epochs
    count = update // steps_per_epoch if schedule.decay_epochs else update
    decays = mpmath.mpf(count // every) if schedule.staircase else mpmath.mpf(count) / every
    return mpmath.mpf(schedule.base_lr) * power(schedule.decay_rate, decays)


# Schedules at random.


@st.composite
def schedules(draw) -> Exponential:
    every, staircase = draw(st.integers(1, 3) | st.integers(1, 50)), draw(st.booleans())
    rate = draw(st.floats(0.01, 1.2) | st.sampled_from([0.0, 1.0, -0.5, -1.0]))
    per_epoch = draw(st.booleans())
    return Exponential(
        base_lr=draw(st.floats(1e-6, 10)),
        decay_rate=rate,
        decay_steps=None if per_epoch else every,
        decay_epochs=every if per_epoch else None,
        staircase=staircase or rate < 0,
    )


def expressed(api: str, schedule: Exponential, training: Training) -> Call | Unsupported:
    return express(IMPLEMENTATIONS[api], "exponential", schedule, training)


@pytest.mark.parametrize("api", FORMULAS)
def test_every_call_put_into_the_documented_formula_is_the_schedule(api):
    tried = 0

    @given(schedules(), st.integers(1, 20), st.integers(0, 300))
    def attempt(schedule: Exponential, steps_per_epoch: int, update: int) -> None:
        nonlocal tried
        call = expressed(api, schedule, Training(update + 1, steps_per_epoch))
        assume(not isinstance(call, Unsupported))
        tried += 1
        with mpmath.workdps(50):
            due = defined(schedule, update, steps_per_epoch)
            given_ = FORMULAS[api](call, update, steps_per_epoch)
            # Only a derived gamma is rounded, by a few ULP, and raised to the number of updates.
            allowed = 4 * update * 2.0**-53 if call.derived else mpmath.mpf(10) ** -45
            assert abs(given_ - due) <= allowed * abs(due)

    attempt()
    assert tried >= settings().max_examples // 5


# What cannot be expressed, exactly.

ALL_KINDS = [
    (per_epoch, every, staircase, steps_per_epoch)
    for per_epoch in (False, True)
    for every in (1, 2, 3)
    for staircase in (False, True)
    for steps_per_epoch in (1, 4)
]


@pytest.mark.parametrize(("per_epoch", "every", "staircase", "steps_per_epoch"), ALL_KINDS)
def test_a_schedule_is_unsupported_where_the_api_cannot_express_it_and_nowhere_else(
    per_epoch, every, staircase, steps_per_epoch
):
    schedule = Exponential(
        base_lr=0.1,
        decay_rate=0.9,
        decay_steps=None if per_epoch else every,
        decay_epochs=every if per_epoch else None,
        staircase=staircase,
    )
    training = Training(24, steps_per_epoch)
    several_stairs, several_smooth = every > 1 and staircase, every > 1 and not staircase
    unsupported = {
        # multiplies at each step(): no stair of several
        **dict.fromkeys(EXPONENTIAL_LRS, several_stairs),
        # stands still in between: no slope
        **dict.fromkeys(STEP_LRS, several_smooth),
        LIST: False,
        # counts in updates: no slope that stands still within an epoch
        CELL: per_epoch and several_smooth and steps_per_epoch > 1,
    }
    for api, due in unsupported.items():
        call = expressed(api, schedule, training)
        assert isinstance(call, Unsupported) is due, api
        if due:
            assert call.reason


def test_an_implementation_without_the_family_says_so():
    told = express(
        IMPLEMENTATIONS[CELL],
        "cosine",
        Exponential(base_lr=1, decay_rate=1, decay_steps=1),
        Training(1, 1),
    )
    assert told == Unsupported("mindspore.ExponentialDecayLR has no cosine schedules")


# The calls themselves.


def test_gamma_is_derived_only_where_it_is_a_root():
    whole = Exponential(base_lr=0.1, decay_rate=0.9, decay_steps=1)
    root = Exponential(base_lr=0.1, decay_rate=0.25, decay_steps=2)
    for api in EXPONENTIAL_LRS:
        assert expressed(api, whole, Training(9, 1)) == Call({"gamma": 0.9}, base_lr=0.1)
        assert expressed(api, root, Training(9, 1)) == Call(
            {"gamma": 0.5}, base_lr=0.1, derived=frozenset({"gamma"})
        )


def test_a_scheduler_steps_once_an_epoch_for_epochs_and_once_an_update_for_updates():
    epochs = Exponential(base_lr=0.1, decay_rate=0.9, decay_epochs=1)
    updates = Exponential(base_lr=0.1, decay_rate=0.9, decay_steps=1)
    for api in (*EXPONENTIAL_LRS, *STEP_LRS):
        assert expressed(api, epochs, Training(9, 3)).per_epoch
        assert not expressed(api, updates, Training(9, 3)).per_epoch


def test_a_list_is_as_long_as_the_training():
    updates = Exponential(base_lr=0.1, decay_rate=0.9, decay_steps=5)
    assert expressed(LIST, updates, Training(17, 4)).arguments == {
        "learning_rate": 0.1,
        "decay_rate": 0.9,
        "total_step": 17,
        "step_per_epoch": 1,
        "decay_epoch": 5,
        "is_stair": False,
    }
    epochs = Exponential(base_lr=0.1, decay_rate=0.9, decay_epochs=5, staircase=True)
    assert expressed(LIST, epochs, Training(17, 4)).arguments == {
        "learning_rate": 0.1,
        "decay_rate": 0.9,
        "total_step": 17,
        "step_per_epoch": 4,
        "decay_epoch": 5,
        "is_stair": True,
    }


def test_a_cell_takes_epochs_as_stairs_of_their_updates():
    epochs = Exponential(base_lr=0.1, decay_rate=0.9, decay_epochs=5, staircase=True)
    assert expressed(CELL, epochs, Training(17, 4)).arguments == {
        "learning_rate": 0.1,
        "decay_rate": 0.9,
        "decay_steps": 20,
        "is_stair": True,
    }


def test_arguments_of_a_case_replace_those_of_the_catalogue():
    call = Call({"gamma": 0.9}, base_lr=0.1)
    changed = call.overridden({"gamma": 0.5, "verbose": True})
    assert changed == Call({"gamma": 0.5, "verbose": True}, base_lr=0.1)
    assert call.arguments == {"gamma": 0.9}


# What is known of the implementations.


def test_every_mapping_is_of_an_implementation_and_a_family_and_every_implementation_has_one():
    assert {mapping.api for mapping in mappings()} == set(IMPLEMENTATIONS)
    assert {mapping.family for mapping in mappings()} == set(FAMILIES)
    for api, implementation in IMPLEMENTATIONS.items():
        assert implementation.api == api
        assert mappings(api=api)
    for family in FAMILIES:
        assert mappings(family=family)


def test_mappings_are_found_by_implementation_and_by_family():
    assert {m.api for m in mappings(family="exponential")} == set(FORMULAS)
    assert [(m.api, m.family) for m in mappings(CELL, "exponential")] == [(CELL, "exponential")]
    assert mappings(family="no such family") == []


@given(schedules(), st.integers(1, 20))
def test_a_mapping_names_every_argument_that_it_gives(schedule, steps_per_epoch):
    for mapping in mappings(family="exponential"):
        call = mapping.express(schedule, Training(100, steps_per_epoch))
        if isinstance(call, Unsupported):
            continue
        given_: set[Any] = set(call.arguments)
        if call.base_lr is not None:
            given_.add("optimizer's lr")
        assert given_ == set(mapping.parameters)
        assert call.derived <= set(call.arguments)


def test_only_a_scheduler_has_an_optimizers_rate():
    schedule = Exponential(base_lr=0.1, decay_rate=0.9, decay_steps=1)
    for api, implementation in IMPLEMENTATIONS.items():
        if not mappings(api, "exponential"):
            continue
        call = expressed(api, schedule, Training(9, 1))
        assert (call.base_lr == 0.1) is (implementation.kind is Kind.SCHEDULER)


ON_A_SHARED_PAGE = {
    "torch.SWALR": "torch.optim.swa_utils",
    "mindspore.LearningRateSchedule": "mindspore.nn",
}


def test_what_an_adapter_has_to_know_of_an_implementation_is_there():
    for implementation in IMPLEMENTATIONS.values():
        assert implementation.framework in ("torch", "mindspore")
        assert implementation.api.startswith(implementation.framework)
        assert implementation.modes
        assert implementation.formula
        assert implementation.documentation.startswith("https://")
        page = ON_A_SHARED_PAGE.get(implementation.short, implementation.api)
        assert implementation.documentation.endswith(f"/{page}.html")
        # A list is worked out before the training; who keeps its last rate is in the training.
        if implementation.form is Form.RECURSIVE:
            assert implementation.kind in (Kind.SCHEDULER, Kind.CALLBACK)


@pytest.mark.parametrize(
    ("api", "address"),
    [
        (TORCH_STEP, "https://docs.pytorch.org/docs/stable/generated/{}.html"),
        (LIST, "https://www.mindspore.cn/docs/en/master/api_python/nn/{}.html"),
        (CELL, "https://www.mindspore.cn/docs/en/master/api_python/nn/{}.html"),
        (
            EXPERIMENTAL_STEP,
            "https://www.mindspore.cn/docs/en/master/api_python/experimental/optim/{}.html",
        ),
    ],
)
def test_the_documentation_is_where_its_site_has_it(api, address):
    assert IMPLEMENTATIONS[api].documentation == address.format(api)


def test_the_short_name_is_the_framework_and_the_last_name():
    assert IMPLEMENTATIONS[TORCH_STEP].short == "torch.StepLR"
    assert IMPLEMENTATIONS[LIST].short == "mindspore.exponential_decay_lr"
