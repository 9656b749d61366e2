"""The parameters that calls are read by are those of the installed classes."""

from __future__ import annotations

import ast
import json
import subprocess

import pytest

from harness.catalogue import IMPLEMENTATIONS
from harness.translation.caveats import DEPRECATED
from harness.translation.signatures import REQUIRED, SIGNATURES, Unbound, bind

SHOWING = """
import importlib, inspect, json, sys
shown = {}
for api in json.load(sys.stdin):
    module, _, name = api.rpartition(".")
    target = getattr(importlib.import_module(module), name)
    call = target.__init__ if inspect.isclass(target) else target
    parameters = [p for p in inspect.signature(call).parameters.values() if p.name != "self"]
    shown[api] = [
        [[p.name, "required" if p.default is p.empty else p.default] for p in parameters],
        "deprecated" in (target.__doc__ or ""),
    ]
print("SHOWN", json.dumps(shown))
"""


@pytest.fixture(scope="module")
def installed(_forking_python):
    done = subprocess.run(
        [str(_forking_python), "-c", SHOWING],
        input=json.dumps(list(IMPLEMENTATIONS)),
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = (x for x in done.stdout.splitlines() if x.startswith("SHOWN "))
    return json.loads(line.removeprefix("SHOWN "))


def test_every_api_has_its_parameters():
    assert set(SIGNATURES) == set(IMPLEMENTATIONS)


@pytest.mark.frameworks
def test_names_order_and_defaults_are_those_of_the_installed_classes(installed):
    for api, (parameters, _) in installed.items():
        known = [
            [name, "required" if default is REQUIRED else default]
            for name, default in SIGNATURES[api].items()
        ]
        assert known == parameters, api


@pytest.mark.frameworks
def test_what_is_told_to_be_deprecated_is_documented_so(installed):
    assert {api for api, (_, deprecated) in installed.items() if deprecated} == DEPRECATED


def call(text: str) -> ast.Call:
    return ast.parse(text, mode="eval").body


def test_the_optimizer_may_be_left_out_or_stand_first():
    api = "torch.optim.lr_scheduler.StepLR"
    for text in ("StepLR(opt, 3)", "StepLR(3)", "StepLR(step_size=3)", "StepLR(self.opt, 3)"):
        assert bind(api, call(text))["step_size"].value == 3


@pytest.mark.parametrize("given", ["verbose=True", "0.1, -1, True", "verbose=VERBOSE"])
def test_verbose_of_older_versions_is_told_from_what_no_version_has(given):
    bound = bind("torch.optim.lr_scheduler.StepLR", call(f"StepLR(opt, 3, {given})"))
    assert "verbose" in bound


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("StepLR(opt)", "step_size is missing"),
        ("StepLR(opt, 3, step_size=4)", "given twice"),
        ("StepLR(opt, 3, 0.1, -1, True, 5)", "at most 5 arguments, 6 are given"),
        ("StepLR(opt, stepsize=4)", "no parameter 'stepsize'"),
        ("StepLR(*given)", r"\* or \*\*"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(text, what):
    with pytest.raises(Unbound, match=what):
        bind("torch.optim.lr_scheduler.StepLR", call(text))
