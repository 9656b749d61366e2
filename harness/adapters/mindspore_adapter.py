"""Drives MindSpore's learning-rate schedules. Self-contained: it is sent to other interpreters."""

from __future__ import annotations

import importlib
from typing import Any, Callable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn


def describe() -> dict[str, Any]:
    """Versions and devices."""
    present, absent = [], {}
    for name in ("CPU", "GPU", "Ascend"):
        try:
            if ms.hal.is_available(name):
                present.append(name.lower())
            else:
                absent[name.lower()] = "mindspore.hal.is_available(%r) is False" % name
        except Exception as error:
            absent[name.lower()] = "%s: %s" % (type(error).__name__, error)
    return {
        "framework": "mindspore",
        "version": ms.__version__,
        "packages": {"mindspore": ms.__version__, "numpy": np.__version__},
        "devices": present or ["cpu"],
        "absent_devices": absent,
    }


def run(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Drive a list function, a Cell or an experimental scheduler, and report both rates."""
    ms.set_context(mode=ms.GRAPH_MODE if request["mode"] == "graph" else ms.PYNATIVE_MODE)
    device = {"cpu": "CPU", "gpu": "GPU", "ascend": "Ascend"}[request["device"]]
    if ms.get_context("device_target") != device:
        ms.set_context(device_target=device)
    drive = {"scheduler": _scheduler, "list": _list, "cell": _cell}[request["kind"]]
    drive(_resolve(request["api"]), request, report)


def _scheduler(api: Any, request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Step an experimental scheduler and a plain SGD optimizer through a training."""
    from mindspore.experimental import optim

    weight = _weight(request)
    optimizer = optim.SGD([weight], lr=request["base_lr"])
    scheduler = api(optimizer, **request["arguments"])
    reported = []
    slots = {step: slot for slot, step in enumerate(request["steps"])}
    try:
        for update in range(request["updates"]):
            slot = slots.get(update)
            if slot is not None:
                reported.append(_fetched(scheduler.get_last_lr()[0]))
            optimizer(_gradient(request, slot))
            if not request["per_epoch"] or (update + 1) % request["steps_per_epoch"] == 0:
                scheduler.step()
    finally:
        report("reported", np.array(reported))
        report("applied", _moved(weight)[: len(reported)])


def _list(api: Any, request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Make the list, and let an optimizer look its rates up."""
    rates = api(**request["arguments"])
    wanted = [step for step in request["steps"] if step < len(rates)]
    extra = rates[request["updates"] :]
    report("reported", np.array([rates[step] for step in wanted] + extra))
    _apply(rates, request, report)


def _cell(api: Any, request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Call the Cell at each step, and give it to an optimizer."""
    cell = api(**request["arguments"])
    reported = []
    try:
        for step in request["steps"]:
            reported.append(_fetched(cell(Tensor(step, ms.int32))))
    finally:
        report("reported", np.array(reported))
    _apply(cell, request, report)


def _apply(learning_rate: Any, request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Let `mindspore.nn.SGD` move a weight; jump over the steps that are not observed.

    Its `global_step` counts the updates made, and a checkpoint restores it: that is the jump.
    """
    weight = _weight(request)
    optimizer = nn.SGD([weight], learning_rate=learning_rate)
    expected = done = 0
    try:
        for slot, step in enumerate(request["steps"]):
            if step != expected:
                ms.ops.assign(optimizer.global_step, Tensor([step], ms.int32))
            optimizer(_gradient(request, slot))
            expected, done = step + 1, slot + 1
    finally:
        report("applied", _moved(weight)[:done])


def _weight(request: dict[str, Any]) -> Any:
    """One element for each observed step, so that none has to be reset during the training.

    (In 2.10.0 the optimizer does not see every way to reset a Parameter, and a Tensor given to
    `assign` may share its memory with the Parameter from then on.)
    """
    zeros = np.zeros(len(request["steps"]), dtype=request["applied_precision"])
    return Parameter(Tensor(zeros), name="weight")


def _gradient(request: dict[str, Any], slot: int | None) -> tuple[Any]:
    """1 for the element of this step and 0 for the others: the element moves by minus the rate."""
    gradient = np.zeros(len(request["steps"]), dtype=request["applied_precision"])
    if slot is not None:
        gradient[slot] = 1
    return (Tensor(gradient),)


def _moved(weight: Any) -> Any:
    return -weight.asnumpy()


def _fetched(rate: Any) -> Any:
    """A rate as a numpy scalar of its own precision."""
    return np.array(rate.asnumpy(), copy=True) if isinstance(rate, Tensor) else np.float64(rate)


def _resolve(api: str) -> Any:
    module, _, name = api.rpartition(".")
    return getattr(importlib.import_module(module), name)
