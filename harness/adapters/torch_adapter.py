"""Drives torch's learning-rate schedulers. Self-contained: it is sent to other interpreters."""

from __future__ import annotations

import importlib
from typing import Any, Callable

import numpy as np
import torch


def describe() -> dict[str, Any]:
    """Versions and devices."""
    present = ["cpu"]
    absent = {}
    for name in ("cuda", "mps", "xpu", "npu"):
        backend = getattr(torch, name, None) or getattr(torch.backends, name, None)
        try:
            if backend is None:
                absent[name] = "this torch has no such backend"
            elif backend.is_available():
                present.append(name)
            else:
                absent[name] = "torch.%s.is_available() is False" % name
        except Exception as error:
            absent[name] = "%s: %s" % (type(error).__name__, error)
    return {
        "framework": "torch",
        "version": str(torch.__version__),
        "packages": {"torch": str(torch.__version__), "numpy": np.__version__},
        "devices": present,
        "absent_devices": absent,
    }


def run(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Step a scheduler and a plain SGD optimizer through a training, and report both rates.

    The gradient is 1 and the weight starts at 0 before each observed update, so after it the
    weight is exactly minus the applied rate.
    """
    dtype = getattr(torch, request["applied_precision"])
    weight = torch.nn.Parameter(torch.zeros(1, dtype=dtype, device=request["device"]))
    weight.grad = torch.ones_like(weight)
    optimizer = torch.optim.SGD([weight], lr=request["base_lr"])
    scheduler = _resolve(request["api"])(optimizer, **request["arguments"])

    reported, applied = [], []
    wanted = set(request["steps"])
    try:
        for update in range(request["updates"]):
            if update in wanted:
                reported.append(scheduler.get_last_lr()[0])
                with torch.no_grad():
                    weight.zero_()
            optimizer.step()
            if update in wanted:
                applied.append(-weight.item())
            if not request["per_epoch"] or (update + 1) % request["steps_per_epoch"] == 0:
                scheduler.step()
    finally:
        report("reported", _rates(reported))
        report("applied", np.array(applied, dtype=request["applied_precision"]))


def _rates(values: list[Any]) -> Any:
    """Reported rates in their own precision: Python floats are float64."""
    if values and isinstance(values[0], torch.Tensor):
        return np.array([value.detach().cpu().numpy() for value in values])
    return np.array(values, dtype=np.float64)


def _resolve(api: str) -> Any:
    module, _, name = api.rpartition(".")
    return getattr(importlib.import_module(module), name)
