"""What is going to run, and what is not, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.making import (
    CELL,
    EXPERIMENTAL_EXPONENTIAL,
    LIST,
    MINDSPORE,
    TORCH,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    schedule_case,
    surface_case,
)

from harness.catalogue import IMPLEMENTATIONS, Call, Training, mappings
from harness.cli import main
from harness.errors import ConformError, DeviceAbsent, UnknownName
from harness.plan import (
    MAX_DRIVEN,
    Selection,
    Skip,
    Target,
    implementations_of,
    plan,
    training,
)
from harness.verdict import Verdict
from harness.workers import Environment

BOTH = (TORCH, MINDSPORE)
EVERY_MODE = ["pynative", "graph", "jit", "jit-O1", "vector"]


def ids(trials):
    return [trial.id for trial in trials]


# Cases × implementations × targets.


def test_a_case_is_tried_in_full_on_every_implementation_of_its_family_device_and_mode():
    mindspore = replace(MINDSPORE, devices=("cpu", "gpu"))
    trials = plan([schedule_case()], [TORCH, mindspore], full=True)
    assert len(set(ids(trials))) == len(trials)
    expected = {
        f"halves::{mapping.api}::{environment.name}/{device}/{mode}"
        for mapping in mappings(family="exponential")
        for environment in (TORCH, mindspore)
        if IMPLEMENTATIONS[mapping.api].framework == environment.framework
        for device in environment.devices
        for mode in IMPLEMENTATIONS[mapping.api].modes
    }
    assert set(ids(trials)) == expected
    assert f"halves::{CELL}::mindspore/gpu/graph" in expected
    assert f"halves::{TORCH_STEP}::torch/cpu/eager" in expected


def test_a_case_is_tried_on_the_implementations_that_it_names_each_once():
    case = schedule_case(implementations=[CELL, TORCH_STEP, CELL])
    assert [i.api for i in implementations_of(case)] == [CELL, TORCH_STEP]
    assert ids(plan([case], BOTH)) == [
        f"halves::{CELL}::mindspore/cpu/pynative",
        f"halves::{TORCH_STEP}::torch/cpu/eager",
    ]


@pytest.mark.parametrize(
    ("modes", "full", "due"),
    [
        pytest.param(None, False, ["pynative"], id="the first"),
        pytest.param(None, True, EVERY_MODE, id="in full, all"),
        pytest.param(["graph", "vector"], False, ["graph", "vector"], id="those asked for"),
        pytest.param(["vector", "graph"], False, ["graph", "vector"], id="in the API's order"),
        pytest.param(["graph"], True, EVERY_MODE, id="in full, anyway"),
        pytest.param(["eager"], False, ["pynative"], id="none of them is the API's"),
    ],
)
def test_a_case_runs_in_the_first_mode_of_an_api_unless_others_are_asked_for(modes, full, due):
    case = schedule_case(implementations=[CELL], **({"modes": modes} if modes else {}))
    assert [trial.target.mode for trial in plan([case], BOTH, full)] == due


def test_a_level_of_compilation_is_tried_where_jit_takes_one():
    case = schedule_case(implementations=[CELL], modes=["jit", "jit-O1"])
    plain, level = plan([case], [replace(MINDSPORE, version="2.5.0")])
    assert plain.skip is None
    assert level.skip == Skip(
        Verdict.UNAVAILABLE, "mindspore 2.5.0 has no jit_level of ms.jit, which came with 2.6"
    )
    assert [trial.skip for trial in plan([case], [MINDSPORE])] == [None, None]


CAPTURABLE = {"optimizer": "Adam capturable", "implementations": [TORCH_STEP]}


def test_a_capturable_optimizer_is_tried_on_the_devices_that_have_one_and_not_on_others():
    environment = replace(TORCH, devices=("cpu", "cuda", "mps", "xpu", "npu"))
    trials = plan([schedule_case(**CAPTURABLE)], [environment])
    reasons = {trial.target.device: trial.skip and trial.skip.reason for trial in trials}
    needs = "a capturable optimizer needs one of cuda, xpu, npu, and this is"
    assert reasons == {
        "cpu": f"{needs} cpu",
        "cuda": None,
        "mps": f"{needs} mps",
        "xpu": None,
        "npu": None,
    }
    assert {t.skip.verdict for t in trials if t.skip} == {Verdict.UNSUPPORTED}


def test_where_there_is_no_float64_weights_are_float32_and_such_a_rate_is_not_tried():
    environment = replace(TORCH, devices=("cpu", "cuda", "mps", "npu"))
    made = {"implementations": [TORCH_STEP], "lr_dtype": "float64"}
    weights = {
        trial.target.device: trial.implementation.applied_precision.value
        for trial in plan([schedule_case(implementations=[TORCH_STEP])], [environment])
    }
    assert weights == {"cpu": "float64", "cuda": "float64", "mps": "float32", "npu": "float32"}
    skipped = {t.target.device for t in plan([schedule_case(**made)], [environment]) if t.skip}
    assert skipped == {"mps", "npu"}


def test_fused_optimizers_are_torchs_and_tried_from_the_version_on_that_has_them_everywhere():
    case = schedule_case(optimizer="SGD fused", implementations=[TORCH_STEP, CELL])
    assert [trial.skip and trial.skip.verdict for trial in plan([case], BOTH)] == [
        None,
        Verdict.UNSUPPORTED,
    ]
    trial, _ = plan([case], [replace(TORCH, version="2.3.1"), MINDSPORE])
    assert trial.skip == Skip(
        Verdict.UNAVAILABLE, "SGD fused is tried from torch 2.4 on, and this is 2.3.1"
    )


def test_a_rate_that_is_a_tensor_stays_in_its_type_in_torch_and_is_float32_in_mindspore():
    apis = [TORCH_STEP, EXPERIMENTAL_EXPONENTIAL, LIST, CELL]
    for dtype in ("float64", "float32", "float16"):
        trials = plan([schedule_case(lr_dtype=dtype, implementations=apis)], BOTH)
        tried = {t.implementation.api: t.implementation.precision for t in trials if not t.skip}
        mindspore = {EXPERIMENTAL_EXPONENTIAL: "float32", LIST: "float64"}
        assert tried == {TORCH_STEP: dtype, **(mindspore if dtype != "float16" else {})}


def test_how_an_argument_is_checked_is_tried_in_one_mode_even_in_full():
    case = schedule_case(implementations=[CELL], dimension="validation")
    assert [trial.target.mode for trial in plan([case], BOTH, full=True)] == ["pynative"]


def test_two_environments_of_a_framework_are_two_targets():
    older = replace(TORCH, name="torch-1.8", version="1.8.1")
    case = schedule_case(implementations=[TORCH_STEP])
    assert [str(t.target) for t in plan([case], [TORCH, older])] == [
        "torch/cpu/eager",
        "torch-1.8/cpu/eager",
    ]


def test_a_trial_has_the_call_and_the_training_that_its_case_needs():
    case = schedule_case(
        steps=[0, 9],
        steps_per_epoch=4,
        schedule={"base_lr": 0.5, "decay_rate": 0.5, "decay_epochs": 3, "staircase": True},
        expected={"values": {0: 0.5}},
        implementations=[TORCH_STEP],
    )
    (trial,) = plan([case], BOTH)
    assert trial.training == training(case) == Training(updates=10, steps_per_epoch=4)
    assert trial.call == Call({"step_size": 3, "gamma": 0.5}, base_lr=0.5, per_epoch=True)
    assert trial.skip is None


def test_arguments_of_the_case_go_to_the_api_that_they_are_for():
    case = schedule_case(
        implementations=[TORCH_EXPONENTIAL, TORCH_STEP],
        arguments={TORCH_EXPONENTIAL: {"verbose": True, "gamma": 0.25}},
    )
    first, second = plan([case], [TORCH])
    assert first.call.arguments == {"gamma": 0.25, "verbose": True}
    assert second.call.arguments == {"step_size": 1, "gamma": 0.5}


def test_a_surface_case_has_one_target_in_each_environment_and_no_call():
    mindspore = replace(MINDSPORE, devices=("cpu", "gpu"))
    older = replace(mindspore, name="mindspore-2.0", version="2.0.0")
    trials = plan([surface_case({"lacks": ["gamma"]}, CELL)], [TORCH, mindspore, older])
    assert [str(t.target) for t in trials] == [
        "mindspore/cpu/pynative",
        "mindspore-2.0/cpu/pynative",
    ]
    assert [t.call for t in trials] == [None, None]
    assert training(trials[0].case) == Training(updates=0, steps_per_epoch=1)


# What will not run.


@pytest.mark.parametrize(
    ("crashed", "verdict"), [(False, Verdict.UNAVAILABLE), (True, Verdict.CRASHED)]
)
def test_an_environment_that_is_not_there_has_its_trials_skipped_with_the_reason(crashed, verdict):
    broken = Environment("torch", "torch", failure="No module named 'torch'", crashed=crashed)
    cases = [
        schedule_case(implementations=[TORCH_STEP]),
        surface_case({"lacks": ["verbose"]}),
    ]
    trials = plan(cases, [broken, MINDSPORE])
    assert [t.skip for t in trials] == [Skip(verdict, "No module named 'torch'")] * 2
    assert [str(t.target) for t in trials] == ["torch/-/-"] * 2
    assert [t.call for t in trials] == [None, None]


def test_what_an_api_cannot_express_is_skipped_with_the_reason():
    schedule = {"base_lr": 0.5, "decay_rate": 0.5, "decay_steps": 3}
    case = schedule_case(schedule=schedule, implementations=[TORCH_STEP, TORCH_EXPONENTIAL])
    stepping, multiplying = plan([case], [TORCH])
    assert stepping.skip.verdict is Verdict.UNSUPPORTED
    assert "stands still between its stairs" in stepping.skip.reason
    assert stepping.call is None
    assert multiplying.skip is None


def test_a_step_too_far_to_go_to_is_tried_where_it_can_be_called_only():
    late = schedule_case(steps=[MAX_DRIVEN], expected={"values": {MAX_DRIVEN: 0.0}})
    by_api = {trial.implementation.api: trial for trial in plan([late], BOTH)}
    assert by_api.pop(CELL).skip is None
    assert LIST in by_api and EXPERIMENTAL_EXPONENTIAL in by_api and TORCH_STEP in by_api
    for trial in by_api.values():
        assert trial.skip.verdict is Verdict.UNSUPPORTED
        assert "200,001 updates" in trial.skip.reason
    near = schedule_case(steps=[MAX_DRIVEN - 1], expected={"values": {MAX_DRIVEN - 1: 0.0}})
    assert all(trial.skip is None for trial in plan([near], BOTH))


# What is wanted of it.


def trials_of_several_cases():
    modes = ["pynative", "graph"]
    return plan(
        [
            schedule_case(name="page/formula", tags=["mapping-page"], modes=modes),
            schedule_case(name="long", tags=["slow", "float32"], modes=modes),
            surface_case({"lacks": ["verbose"]}),
        ],
        BOTH,
    )


def wanted(**fields):
    selection = Selection(**fields)
    return [trial for trial in trials_of_several_cases() if selection.wants(trial)]


def test_an_empty_selection_wants_everything():
    assert wanted() == trials_of_several_cases()
    assert Selection().is_everything
    assert not Selection(keyword="graph").is_everything


def test_families_are_chosen_by_glob_and_signatures_are_a_family_of_their_own():
    everything = trials_of_several_cases()
    surface = [t for t in everything if t.case.name == "signature"]
    assert wanted(families=("expo*",)) == [t for t in everything if t not in surface]
    assert wanted(families=("surface",)) == surface
    assert wanted(families=("surface", "exponential")) == everything
    assert wanted(families=("cosine",)) == []


@pytest.mark.parametrize(
    ("patterns", "apis"),
    [
        ((CELL,), {CELL}),
        (("ExponentialDecayLR",), {CELL}),
        (("ExponentialLR",), {TORCH_EXPONENTIAL, EXPERIMENTAL_EXPONENTIAL}),
        (("torch.*",), {TORCH_EXPONENTIAL, TORCH_STEP}),
        (("*decay*",), {LIST}),
        (("exponential_decay_lr", "torch.*.StepLR"), {LIST, TORCH_STEP}),
        (("exponentiallr",), set()),
        (("decay",), set()),
    ],
)
def test_implementations_are_chosen_by_glob_over_the_whole_name_or_its_last_part(patterns, apis):
    assert {trial.implementation.api for trial in wanted(implementations=patterns)} == apis


@pytest.mark.parametrize(
    ("patterns", "targets"),
    [
        (("mindspore/*/graph",), {"mindspore/cpu/graph"}),
        (("*/cpu/*",), {"mindspore/cpu/graph", "mindspore/cpu/pynative", "torch/cpu/eager"}),
        (("torch/*", "*/pynative"), {"mindspore/cpu/pynative", "torch/cpu/eager"}),
        (("graph",), set()),
    ],
)
def test_targets_are_chosen_by_glob(patterns, targets):
    assert {str(trial.target) for trial in wanted(targets=patterns)} == targets


@pytest.mark.parametrize(
    ("keyword", "fits"),
    [
        ("graph", lambda id_, tags: "graph" in id_),
        ("GRAPH", lambda id_, tags: "graph" in id_),
        ("not graph", lambda id_, tags: "graph" not in id_),
        ("slow", lambda id_, tags: "slow" in tags),
        ("page and graph", lambda id_, tags: "page/" in id_ and "graph" in id_),
        ("page and not graph", lambda id_, tags: "page/" in id_ and "graph" not in id_),
        ("slow or eager", lambda id_, tags: "slow" in tags or "eager" in id_),
        (
            "slow and graph or formula and eager",
            lambda id_, tags: (
                ("slow" in tags and "graph" in id_) or ("formula" in id_ and "eager" in id_)
            ),
        ),
        ("mapping-page", lambda id_, tags: "mapping-page" in tags),
        ("nothing like that", lambda id_, tags: False),
    ],
)
def test_keywords_are_words_joined_by_and_or_and_not(keyword, fits):
    everything = trials_of_several_cases()
    assert wanted(keyword=keyword) == [t for t in everything if fits(t.id.lower(), t.case.tags)]


WITH_CUDA = replace(TORCH, devices=("cpu", "cuda"), absent_devices={"mps": "not built for it"})
WITHOUT_GPU = replace(MINDSPORE, absent_devices={"gpu": "hal says no", "ascend": "hal says no"})
GONE = Environment("mindspore-2.0", "mindspore", failure="Traceback\nImportError: no mindspore\n")


@pytest.mark.parametrize(
    ("patterns", "targets"),
    [
        (("cuda",), {"torch/cuda/eager"}),
        (("c*",), {"torch/cpu/eager", "torch/cuda/eager", "mindspore/cpu/pynative"}),
        (("cuda", "cpu"), {"torch/cpu/eager", "torch/cuda/eager", "mindspore/cpu/pynative"}),
        (("gpu",), set()),
        (("ud",), set()),
    ],
)
def test_devices_are_chosen_by_glob(patterns, targets):
    trials = plan([schedule_case()], [WITH_CUDA, WITHOUT_GPU])
    selection = Selection(devices=patterns)
    assert {str(trial.target) for trial in trials if selection.wants(trial)} == targets
    assert not selection.is_everything


def test_what_could_not_be_started_is_said_whichever_device_is_asked_for():
    trials = plan([schedule_case()], [TORCH, GONE])
    left = [trial for trial in trials if Selection(devices=("cpu",)).wants(trial)]
    assert {trial.skip.verdict for trial in left if trial.skip} == {Verdict.UNAVAILABLE}
    assert left == trials


def test_a_device_that_is_in_no_environment_is_refused_with_what_each_has_and_why():
    environments = [WITH_CUDA, WITHOUT_GPU, GONE]
    Selection(devices=("cuda", "cpu", "*")).check_devices(environments)
    with pytest.raises(DeviceAbsent) as refusal:
        Selection(devices=("cuda", "asc*")).check_devices(environments)
    assert refusal.value.exit_code == 3
    assert str(refusal.value).splitlines()[:4] == [
        "no device here fits 'asc*', so nothing was run:",
        "  torch 2.13.0: has cpu, cuda; torch knows none by that name",
        "  mindspore 2.10.0: has cpu; no ascend: hal says no",
        "  mindspore-2.0: ImportError: no mindspore",
    ]


def test_a_device_that_nobody_has_heard_of_is_a_wrong_name():
    with pytest.raises(UnknownName, match="no device fits 'cudda'; did you mean 'cuda'") as refusal:
        Selection(devices=("cudda",)).check_devices([WITH_CUDA, WITHOUT_GPU])
    assert refusal.value.exit_code == 2


def test_all_that_is_asked_for_has_to_fit():
    found = wanted(
        families=("exponential",),
        implementations=("ExponentialLR",),
        targets=("mindspore/*",),
        keyword="formula and not pynative",
    )
    assert ids(found) == [f"page/formula::{EXPERIMENTAL_EXPONENTIAL}::mindspore/cpu/graph"]


def test_names_that_fit_nothing_are_refused_with_the_nearest_that_would():
    cases = [schedule_case(), surface_case({"lacks": ["verbose"]})]
    with pytest.raises(UnknownName, match="no family fits 'exponentail'; did you mean 'expone"):
        Selection(families=("exponentail",)).check(cases)
    with pytest.raises(UnknownName, match=r"no implementation fits 'ExponentialDecayRL'"):
        Selection(implementations=("ExponentialDecayRL",)).check(cases)
    with pytest.raises(ConformError) as refusal:
        Selection(families=("zzz",)).check(cases)
    assert refusal.value.exit_code == 2


def test_every_name_that_fits_something_is_let_pass():
    cases = [schedule_case(), surface_case({"lacks": ["verbose"]})]
    Selection().check(cases)
    implementations = ("*LR", CELL, "exponential_decay_lr")
    Selection(families=("exp*",), implementations=implementations).check(cases)


def test_the_family_of_signatures_can_be_asked_for_by_name():
    # `wants` knows it, so `check` has to.
    Selection(families=("surface",)).check([surface_case({"lacks": ["verbose"]})])


@pytest.mark.parametrize(
    "kind", ["case", "device", "environment", "family", "implementation", "module"]
)
def test_the_hint_for_an_unknown_name_is_a_name_or_a_command_that_there_is(kind):
    many = [f"name{number}" for number in range(40)]
    text = str(UnknownName(kind, "zzz", many))
    _, _, told = text.partition("; see: conform ")
    if not told:
        assert all(name in text for name in many)
        return
    command, word = told.split()
    found = main.commands[command]
    words = getattr(found, "commands", None) or found.params[0].type.choices
    assert word in words
    assert "name1" in str(UnknownName(kind, "zzz", many[:2]))


def test_a_target_reads_as_its_three_parts():
    assert str(Target("mindspore-2.0", "ascend", "graph")) == "mindspore-2.0/ascend/graph"
