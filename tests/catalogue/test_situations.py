"""Which implementations can be put in which situation."""

from __future__ import annotations

import pytest

from harness.catalogue import (
    IMPLEMENTATIONS,
    Call,
    Kind,
    Resume,
    Training,
    Unsupported,
    grouped,
    unfit,
)

TORCH, EXPERIMENTAL = "torch.optim.lr_scheduler", "mindspore.experimental.optim.lr_scheduler"
CELL, LIST = "mindspore.nn.ExponentialDecayLR", "mindspore.nn.exponential_decay_lr"
CALLBACK = "mindspore.train.LearningRateScheduler"


def refused(api: str, **situation) -> bool:
    told = unfit(IMPLEMENTATIONS[api], Training(9, 1, **situation))
    assert told is None or told.reason
    return isinstance(told, Unsupported)


def test_a_plain_training_suits_everybody():
    assert not any(refused(api) for api in IMPLEMENTATIONS)


def test_only_a_scheduler_can_be_told_the_epoch_and_not_all_of_them():
    told = {api for api in IMPLEMENTATIONS if not refused(api, stepping="epoch")}
    assert {IMPLEMENTATIONS[api].kind for api in told} == {Kind.SCHEDULER}
    for module in (TORCH, EXPERIMENTAL):
        assert f"{module}.StepLR" in told
        assert f"{module}.SequentialLR" not in told
    assert f"{TORCH}.ChainedScheduler" not in told
    assert f"{TORCH}.ReduceLROnPlateau" in told  # beside the metric
    assert f"{EXPERIMENTAL}.ReduceLROnPlateau" not in told


@pytest.mark.parametrize(
    ("reading", "frameworks"),
    [("get_lr", {"torch"}), ("momentum", {"torch"}), ("last_epoch", {"torch", "mindspore"})],
)
def test_schedulers_have_more_to_read(reading, frameworks):
    for api, implementation in IMPLEMENTATIONS.items():
        has = implementation.kind is Kind.SCHEDULER and implementation.framework in frameworks
        assert refused(api, reading=reading) is not has


def test_only_a_scheduler_has_a_rate_that_somebody_can_set():
    for api, implementation in IMPLEMENTATIONS.items():
        due = implementation.kind is not Kind.SCHEDULER
        assert refused(api, changes={3: 0.5}) is due


@pytest.mark.parametrize(
    ("api", "ways"),
    [
        (f"{TORCH}.StepLR", {"state_dict", "checkpoint", "last_epoch"}),
        (f"{TORCH}.SequentialLR", {"state_dict", "checkpoint"}),
        (f"{TORCH}.ReduceLROnPlateau", {"state_dict", "checkpoint"}),
        (f"{EXPERIMENTAL}.StepLR", {"last_epoch"}),
        (f"{EXPERIMENTAL}.ReduceLROnPlateau", set()),
        (CELL, {"checkpoint"}),
        (LIST, {"checkpoint"}),
        (CALLBACK, set()),
    ],
)
def test_each_is_resumed_in_the_ways_that_its_framework_has(api, ways):
    every = ("state_dict", "checkpoint", "last_epoch")
    assert {by for by in every if not refused(api, resume=Resume(3, by))} == ways


@pytest.mark.parametrize("more", [{"into": {"gamma": 0.5}}, {"twice": True}])
def test_what_is_resumed_by_a_number_takes_over_no_state(more):
    api = "torch.optim.lr_scheduler.StepLR"
    assert refused(api, resume=Resume(3, "last_epoch", **more))
    assert not refused(api, resume=Resume(3, "state_dict", **more))


# Groups


def calls(**arguments) -> list[Call]:
    """Two calls that differ in the arguments that are given as pairs."""
    return [
        Call({name: value[i] for name, value in arguments.items()}, base_lr=0.5 / (i + 1))
        for i in (0, 1)
    ]


def together(api: str, made: list[Call], joins=(0, 0)) -> list[Call] | Unsupported:
    return grouped(IMPLEMENTATIONS[api], made, list(joins))


def test_one_group_is_no_group():
    (one, _) = calls(gamma=(0.5, 0.5))
    assert together(CALLBACK, [one], [0]) == [one]


def test_a_scheduler_has_one_set_of_arguments_and_a_rate_for_each_group():
    made = together(f"{TORCH}.ExponentialLR", calls(gamma=(0.5, 0.5)))
    assert [(call.arguments, call.base_lr) for call in made] == [
        ({"gamma": 0.5}, 0.5),
        ({"gamma": 0.5}, 0.25),
    ]
    assert isinstance(together(f"{TORCH}.ExponentialLR", calls(gamma=(0.5, 0.25))), Unsupported)


def test_some_arguments_of_a_scheduler_are_lists_with_an_entry_for_each_group():
    made = together(f"{TORCH}.CyclicLR", calls(max_lr=(1.0, 2.0), gamma=(1.0, 1.0)))
    assert [call.arguments for call in made] == [{"max_lr": [1.0, 2.0], "gamma": 1.0}] * 2


def test_who_joins_later_is_in_no_list():
    later = together(f"{TORCH}.CyclicLR", calls(max_lr=(1.0, 2.0)), joins=(0, 3))
    assert isinstance(later, Unsupported)
    same = together(f"{TORCH}.StepLR", calls(gamma=(0.5, 0.5)), joins=(0, 3))
    assert [call.base_lr for call in same] == [0.5, 0.25]


@pytest.mark.parametrize("api", [CELL, LIST])
def test_an_optimizer_of_nn_is_given_a_schedule_for_each_group_but_none_later(api):
    made = calls(decay_rate=(0.5, 0.25))
    assert together(api, made) == made
    assert isinstance(together(api, made, joins=(0, 3)), Unsupported)


def test_a_callback_knows_one_rate():
    assert isinstance(together(CALLBACK, calls(a=(0.5, 0.5))), Unsupported)
