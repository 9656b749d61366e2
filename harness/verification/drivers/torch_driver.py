"""A torch training without a model: the user's optimizer and schedulers, one weight a group."""

from __future__ import annotations

import io
from typing import Any

import driver
import numpy as np
import torch

SETTINGS = ("momentum", "betas")
"""What else a scheduler may change in a group, and so how far an optimizer moves a weight."""


def prepare() -> None:
    """Nothing has to be done before the script is loaded."""


def begin(script: Any, request: dict[str, Any], recording: Any) -> Training:
    """The training."""
    return Training(script.build(), request, recording)


class Training:
    """What `build` returned, with each group's parameters replaced by one weight.

    Before each update the weight is put to 0 and the optimizer forgets its state. So a gradient of
    1 moves the weight by the rate times a number that does not depend on the rate, and which is
    found by an update at the rate 1.
    """

    def __init__(self, returned: Any, request: dict[str, Any], recording: Any) -> None:
        self.request, self.recording = request, recording
        self.made = _made(returned, request)
        self.optimizer = self.made.optimizer
        self.moved_parameter = next(p for group in self.groups for p in group["params"])
        self.weights = [self._put_weight(group) for group in self.groups]
        self.settings: list[Any] = []
        self.units: list[float] = []
        self.applies = bool(request["applied"])
        if not self.applies:
            self._leave_weights_alone()

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The parameter groups; `load_state_dict` makes them anew."""
        groups: list[dict[str, Any]] = self.optimizer.param_groups
        return groups

    def _put_weight(self, group: dict[str, Any]) -> Any:
        like = group["params"][0]
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        weight = torch.nn.Parameter(torch.zeros(1, dtype=dtype, device=like.device))
        weight.grad = torch.ones_like(weight)
        group["params"] = [weight]
        return weight

    def description(self) -> dict[str, Any]:
        """What it is, for the head of a trace."""
        rate = self.groups[0]["lr"]
        return {
            "framework": "torch",
            "version": str(torch.__version__),
            "device": str(self.moved_parameter.device),
            "optimizer": type(self.optimizer).__name__,
            "schedulers": [type(s).__name__ for s in self.made.schedulers],
            "per": self.made.per,
            "groups": len(self.groups),
            "reported": str(rate.dtype)[6:] if isinstance(rate, torch.Tensor) else "float64",
            "applied": str(self.weights[0].dtype)[6:],
        }

    def update(self) -> None:
        """One update: the rates that the groups say, and by how much the weights move."""
        rates = {_name("reported", n): [float(g["lr"])] for n, g in enumerate(self.groups)}
        if self.applies:
            try:
                rates.update({_name("applied", n): [r] for n, r in enumerate(self._applied())})
            except Exception as error:
                self.applies = False
                self._leave_weights_alone()
                self.recording.note("applied rates were not observed: %s" % driver.in_short(error))
        if not self.applies:
            self._step_without_gradients()
        self.recording.add(rates)

    def _applied(self) -> list[float]:
        settings = [[group.get(name) for name in SETTINGS] for group in self.groups]
        if settings != self.settings:
            self.settings, self.units = settings, self._moved_at_the_rate_1()
        moved = self._moved()
        return [float(move / unit) for move, unit in zip(moved, self.units)]

    def _moved(self) -> list[Any]:
        with torch.no_grad():
            for weight in self.weights:
                weight.zero_()
        self.optimizer.state.clear()
        self.optimizer.step()
        return [weight.detach().cpu().numpy()[0] for weight in self.weights]

    def _moved_at_the_rate_1(self) -> list[Any]:
        kept = [group["lr"] for group in self.groups]
        for group, rate in zip(self.groups, kept):
            group["lr"] = torch.ones_like(rate) if isinstance(rate, torch.Tensor) else 1.0
        try:
            units = [np.copy(unit) for unit in self._moved()]
        finally:
            for group, rate in zip(self.groups, kept):
                group["lr"] = rate
        if not all(np.isfinite(unit) and unit for unit in units):
            raise ValueError("this optimizer does not move a weight of 0 by a gradient of 1")
        return units

    def _leave_weights_alone(self) -> None:
        for weight in self.weights:
            weight.grad = None

    def _step_without_gradients(self) -> None:
        try:
            self.optimizer.step()
        except TypeError:
            self.optimizer.step(lambda: torch.zeros(()))

    def advance(self, done: int, steps_per_epoch: int) -> None:
        """Step the schedulers that are due."""
        self.made.advance(done, steps_per_epoch)

    def settle(self) -> None:
        """Nothing is under way between two updates."""

    def resumed(self, script: Any, step: int) -> Training:
        """Another training that goes on from this one's state, as through a checkpoint file."""
        old = self.made
        other = Training(script.build(step), self.request, self.recording)
        new = other.made
        driver.check_is_another(old.optimizer, new.optimizer)
        new.stepped = list(old.stepped)
        if script.resumes_by_itself:
            return other
        if new.load is not None and old.save is not None:
            new.load(old.save())
            return other
        file = io.BytesIO()
        torch.save([part.state_dict() for part in (old.optimizer, *old.schedulers)], file)
        file.seek(0)
        states = torch.load(file)
        for part, state in zip((new.optimizer, *new.schedulers), states):
            part.load_state_dict(state)
        return other


def _made(returned: Any, request: dict[str, Any]) -> Any:
    parts, options = driver.parts_of(returned)
    optimizers = [part for part in parts if isinstance(part, torch.optim.Optimizer)]
    schedulers = [part for part in parts if driver.is_scheduler(part)]
    if len(optimizers) != 1:
        raise driver.Unusable(
            "build returned %s; an optimizer was due, or a tuple of it and its schedulers, or a "
            "mapping with 'optimizer' and 'scheduler'" % driver.types_of(parts)
        )
    return driver.Made(
        optimizers[0], schedulers, driver.with_per(options, schedulers, request["stepping"])
    )


def _name(kind: str, number: int) -> str:
    return "%s %d" % (kind, number) if number else kind
