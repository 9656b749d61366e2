"""What an adapter does on another device than the CPU, as far as a machine without one can show."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.adapters import ADAPTERS

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]


def run(framework: str, script: str) -> str:
    """What a script prints that has `adapter`, the adapter of `framework`, as a module."""
    path = ADAPTERS[framework]
    head = f"import sys; sys.path.insert(0, {str(path.parent)!r}); import {path.stem} as adapter\n"
    done = subprocess.run(
        [sys.executable, "-c", head + script],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


def test_torchs_weights_and_rates_lie_on_the_device_of_the_trial():
    # `meta` is a device that every torch has: its tensors have a place and no values.
    script = """
request = {"device": "meta", "lr_dtype": "float64", "applied_precision": "float32", "metrics": []}
training = adapter._Training(request)
rate, weight = training.rate(0.1), training._weight()
print(rate.device, rate.dtype, weight.device, weight.grad.device, weight.dtype)
"""
    assert run("torch", script) == "meta torch.float64 meta meta torch.float32"


def test_a_device_that_torch_says_is_there_is_used_and_one_that_cannot_be_asked_has_its_reason():
    script = """
import torch
def broken(): raise RuntimeError("the driver is too old")
torch.xpu.is_available, torch.cuda.is_available = lambda: True, broken
told = adapter.describe()
print(told["devices"], told["absent_devices"]["cuda"])
"""
    assert run("torch", script) == "['cpu', 'xpu'] RuntimeError: the driver is too old"


def test_a_device_that_mindspore_says_is_there_is_used_and_one_that_cannot_be_asked_has_a_reason():
    script = """
import mindspore
def told(device):
    if device == "GPU": raise RuntimeError("no driver\\nand more")
    return True
mindspore.hal.is_available = told
told = adapter.describe()
print(told["devices"], told["absent_devices"])
"""
    printed = run("mindspore", script).splitlines()[-1]
    assert printed == "['cpu', 'ascend'] {'gpu': 'RuntimeError: no driver'}"
