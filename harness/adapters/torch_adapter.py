"""Drives torch's learning-rate schedulers. Self-contained: it is sent to other interpreters."""

from __future__ import annotations

import functools
import importlib
import io
from typing import Any, Callable

import numpy as np
import torch

OPTIMIZERS: dict[str, Any] = {
    # Settings under which a gradient of 1 moves a weight by the rate.
    "SGD": (torch.optim.SGD, {}),
    "Momentum": (torch.optim.SGD, {"momentum": 0.5, "dampening": 0.5}),
    "Adam": (torch.optim.Adam, {"betas": (0.0, 0.0), "eps": 0.0}),
    "AdamW": (torch.optim.AdamW, {"betas": (0.0, 0.0), "eps": 0.0, "weight_decay": 0.0}),
}
FUNCTIONS: dict[str, Any] = {
    "power": lambda a, values: lambda t: a**t,
    "inverse": lambda a, values: lambda t: 1 / (1 + a * t),
    "inverse_sqrt": lambda a, values: lambda t: (1 + a * t) ** -0.5,
    "constant": lambda a, values: lambda t: a,
    "table": lambda a, values: lambda t: values[min(int(t), len(values) - 1)],
    "counting": lambda a, values: Counting(a),
}


FIRST = 1000
"""Updates in which the optimizer steps whether or not its weights are looked at.

Later on plain SGD, which remembers nothing, steps where they are: a step costs ten times as much as
the scheduler's.
"""


class Counting:
    """A function that is an object with a state, which a scheduler's state carries along."""

    def __init__(self, a: float) -> None:
        self.a, self.calls = a, 0

    def __call__(self, _: float) -> float:
        self.calls += 1
        return float(self.a ** (self.calls - 1))


def describe() -> dict[str, Any]:
    """Versions and devices."""
    present = ["cpu"]
    absent = {}
    for name in ("cuda", "mps", "xpu", "npu"):
        try:
            reason = _absence(name)
        except Exception as error:
            reason = "%s: %s" % (type(error).__name__, error)
        if reason:
            absent[name] = reason
        else:
            present.append(name)
    return {
        "framework": "torch",
        "version": str(torch.__version__),
        "packages": {"torch": str(torch.__version__), "numpy": np.__version__},
        "devices": present,
        "absent_devices": absent,
    }


def _absence(device: str) -> str:
    """Why a device cannot be used; nothing where it can."""
    if device == "npu" and not hasattr(torch, "npu"):
        importlib.import_module("torch_npu")  # which gives torch that backend
    backend = getattr(torch, device, None)
    if not hasattr(backend, "is_available"):  # as torch.mps of earlier versions
        backend = getattr(torch.backends, device, None)
    if backend is None:
        return "this torch has no such backend"
    return "" if backend.is_available() else "torch.%s.is_available() is False" % device


def run(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Step a scheduler and an optimizer through a training, and report both rates.

    The gradient is 1 and each group's weight is put to 0 before each observed update, so after it
    the weight is exactly minus the rate that was applied.
    """
    training = _Training(request)
    reported: list[list[Any]] = [[] for _ in request["groups"]]
    applied: list[list[float]] = [[] for _ in request["groups"]]
    wanted = set(request["steps"])
    changes = dict(request["changes"])
    every = request["one_by_one"] or request["optimizer"] != "SGD"
    training.begin({})  # what is raised here was raised before there is any sequence
    try:
        for update in range(request["updates"]):
            training.join(update)
            if request["resume"] and update == request["resume"]["at"]:
                training.resume(request["resume"]["by"])
            if update in changes:
                training.optimizer.param_groups[0]["lr"] = training.rate(changes[update])
            if update in wanted:
                rates = training.rates()
                for seen, rate in zip(reported, rates):
                    seen.append(rate.clone() if isinstance(rate, torch.Tensor) else rate)
                with torch.no_grad():
                    for weight in training.weights:
                        weight.zero_()
            if request["applies"] and (every or update < FIRST or update in wanted):
                training.optimizer.step()
            if update in wanted and request["applies"]:
                for seen, weight in zip(applied, training.weights):
                    seen.append(-weight.item())
            training.advance(update)
    finally:
        for number in range(len(reported)):
            suffix = " %d" % number if number else ""
            report("reported" + suffix, _rates(reported[number]))
            if request["shows_applied"]:
                moved = np.array(applied[number], dtype=request["applied_precision"])
                report("applied" + suffix, moved)


class _Training:
    """Weights, optimizer and scheduler, and what happens to them."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.metrics = iter(request["metrics"])
        self.weights: list[Any] = []
        self.optimizer: Any = None
        self.scheduler: Any = None

    def begin(self, more: dict[str, Any]) -> None:
        present = [group for group in self.request["groups"] if group["added_at"] == 0]
        self.weights = [self._weight() for _ in present]
        rates = [self.rate(group["base_lr"]) for group in present]
        if self.request["lr_shared"]:
            rates = rates[:1] * len(rates)
        self.optimizer = self._optimizer(
            [{"params": [weight], "lr": rate} for weight, rate in zip(self.weights, rates)]
        )
        self.scheduler = self._scheduler(more)
        if self.request["step_replaced"]:
            self.optimizer.step = functools.partial(self.optimizer.step)

    def join(self, update: int) -> None:
        """Add the groups that join before this update."""
        for group in self.request["groups"]:
            if update and group["added_at"] == update:
                self.weights.append(self._weight())
                added = {"params": [self.weights[-1]], "lr": self.rate(group["base_lr"])}
                self.optimizer.add_param_group(added)

    def resume(self, by: str) -> None:
        """Go on with new objects."""
        old, states = self.optimizer, [self.optimizer.state_dict(), self.scheduler.state_dict()]
        if by == "checkpoint":
            file = io.BytesIO()
            torch.save(states, file)
            file.seek(0)
            states = torch.load(file)
        if by == "last_epoch":
            keys = ("lr", "initial_lr")
            kept = [{key: group[key] for key in keys} for group in old.param_groups]
            done = self.scheduler.last_epoch
            self.weights = [self._weight() for _ in kept]
            groups: list[dict[str, Any]] = [
                dict(k, params=[weight]) for k, weight in zip(kept, self.weights)
            ]
            self.optimizer = self._optimizer(groups)
            # The scheduler steps once as it is made, so it is told of one epoch fewer.
            self.scheduler = self._scheduler({"last_epoch": done - 1})
            return
        self.begin(self.request["resume"]["into"])
        self.optimizer.load_state_dict(states[0])
        self.scheduler.load_state_dict(states[1])
        if self.request["resume"]["twice"]:
            self.scheduler.load_state_dict(states[1])

    def advance(self, update: int) -> None:
        """`scheduler.step()`, where it is due after this update."""
        if self.request["per_epoch"] and (update + 1) % self.request["steps_per_epoch"]:
            return
        told = [next(self.metrics)] if self.request["metrics"] else []
        if self.request["stepping"] == "epoch":
            length = self.request["steps_per_epoch"] if self.request["per_epoch"] else 1
            told.append((update + 1) // length)
        if self.request["told"] and self.request["told"][update] is not None:
            told.append(self.request["told"][update])
        self.scheduler.step(*told)

    def rates(self) -> list[Any]:
        """What the framework says; what happens from outside, the groups know first."""
        groups, reading = self.optimizer.param_groups, self.request["reading"]
        if reading == "momentum":
            return [_momentum(group) for group in groups]
        if reading == "last_epoch":
            return [self.scheduler.last_epoch for _ in groups]
        if reading == "get_lr":
            return _one_each(self.scheduler.get_lr(), groups, "get_lr()")
        joined = any(group["added_at"] for group in self.request["groups"])
        # Before torch 2.2 a ReduceLROnPlateau does not say it.
        silent = not hasattr(self.scheduler, "get_last_lr")
        if self.request["changes"] or joined or silent:
            return [group["lr"] for group in groups]
        return _one_each(self.scheduler.get_last_lr(), groups, "get_last_lr()")

    def rate(self, rate: float) -> Any:
        """A rate as the optimizer is given it: a number, or a tensor beside the weights."""
        name, device = self.request["lr_dtype"], self.request["device"]
        return torch.tensor(rate, dtype=getattr(torch, name), device=device) if name else rate

    def _weight(self) -> Any:
        dtype = getattr(torch, self.request["applied_precision"])
        weight = torch.nn.Parameter(torch.zeros(1, dtype=dtype, device=self.request["device"]))
        weight.grad = torch.ones_like(weight)
        return weight

    def _optimizer(self, groups: list[dict[str, Any]]) -> Any:
        name, _, special = self.request["optimizer"].partition(" ")
        make, settings = OPTIMIZERS[name]
        more = {special: True} if special else {}  # fused or capturable
        return make(groups, lr=groups[0]["lr"], **dict(settings, **more))

    def _scheduler(self, more: dict[str, Any]) -> Any:
        arguments: dict[str, Any] = dict(self.request["arguments"], **more)
        return _made(self.request["api"], arguments, self.optimizer)


def _made(api: str, arguments: dict[str, Any], optimizer: Any) -> Any:
    """Build a scheduler, its parts first."""
    made = {name: _argument(value, optimizer) for name, value in arguments.items()}
    if api.endswith(".ChainedScheduler"):
        return _resolve(api)(**made)
    optimizer = made.pop("optimizer", optimizer)  # a case may give another, or what is none
    return _resolve(api)(optimizer, **made)


def _argument(value: Any, optimizer: Any) -> Any:
    if isinstance(value, list):
        return [_argument(item, optimizer) for item in value]
    if isinstance(value, dict) and "api" in value:
        return _made(value["api"], value["arguments"], optimizer)
    if isinstance(value, dict) and "optimizer" in value:
        weight = torch.nn.Parameter(torch.zeros(1))
        return getattr(torch.optim, value["optimizer"])([weight], lr=1.0)
    if isinstance(value, dict) and "function" in value:
        return FUNCTIONS[value["function"]](value["a"], value["values"])
    return value


def _momentum(group: dict[str, Any]) -> Any:
    """The momentum, or the first beta; no optimizer has both."""
    (momentum,) = (group[key] for key in ("momentum", "betas") if key in group)
    return momentum[0] if isinstance(momentum, tuple) else momentum


class Misshapen(Exception):
    """What was given is no rate for each group; its text shows it."""

    misshapen = True


def _one_each(rates: Any, groups: list[Any], whence: str) -> list[Any]:
    """The rates that a framework says, if they are one for each group."""
    if not isinstance(rates, (list, tuple)) or len(rates) != len(groups):
        raise Misshapen("%s gave %r for %d group(s)" % (whence, rates, len(groups)))
    return list(rates)


def _rates(values: list[Any]) -> Any:
    """Reported rates in their own precision, shape `(n,)`: Python's numbers are float64."""
    kinds = {_kind(value): value for value in values}
    if len(kinds) > 1:
        raise Misshapen("rates of several kinds: %s" % sorted(map(str, kinds)))
    if "torch.bfloat16" in kinds:
        return _BFloat16(values)
    if values and isinstance(values[0], torch.Tensor):
        return np.array([value.detach().cpu().numpy() for value in values])
    return np.array(values, dtype=next(iter(kinds), "float64"))


def _kind(value: Any) -> str:
    """The type of a number; what is none is no rate."""
    if isinstance(value, torch.Tensor) and value.dim() == 0 and value.is_floating_point():
        return str(value.dtype)
    if isinstance(value, np.floating):
        return str(value.dtype)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "float64"
    raise Misshapen("%r, of the type %s, where a rate was due" % (value, type(value).__name__))


class _BFloat16:
    """Rates of a type that numpy lacks: as much of an array as a report needs."""

    dtype = "bfloat16"

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def astype(self, dtype: str) -> Any:
        return np.array([float(value) for value in self.values], dtype=dtype)


def _resolve(api: str) -> Any:
    module, _, name = api.rpartition(".")
    return getattr(importlib.import_module(module), name)
