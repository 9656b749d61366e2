"""A torch training without a model: the user's optimizer and schedulers, one weight a group."""

from __future__ import annotations

import inspect
import io
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from .recording import in_short
from .returned import (
    Kinds,
    Made,
    Parts,
    Unusable,
    check_resumed,
    coarsest,
    name_of,
    one_optimizer,
    precision_of,
    rates_of,
    remember,
    reread,
    without_state,
)

SETTINGS = ("momentum", "betas")
"""What else a scheduler may change in a group, and so how far an optimizer moves a weight."""
KINDS = Kinds(
    optimizers=(torch.optim.Optimizer,),
    networks=(torch.nn.Module,),
    schedules=(),
    tensor=torch.Tensor,
    floats=lambda tensor: tensor.detach().cpu().double().reshape(-1).tolist(),
)
SCHEDULERS: list[Any] = []
OPTIMIZERS: list[Any] = []
"""Those that the script has made."""


def prepare() -> None:
    """Watch what the script is about to make."""
    remember(torch.optim.Optimizer, OPTIMIZERS)
    base = getattr(lr_scheduler, "LRScheduler", None) or lr_scheduler._LRScheduler
    remember(base, SCHEDULERS)
    if not issubclass(lr_scheduler.ReduceLROnPlateau, base):  # before 2.2
        remember(lr_scheduler.ReduceLROnPlateau, SCHEDULERS)


def begin(script: Any, request: dict[str, Any], recording: Any) -> Training:
    """The training."""
    returned = script.build()
    made = _made(Parts(KINDS).taken(returned), request)
    if request["resume_at"]:
        made.check_resumable(script, without_state([made.optimizer, *made.schedulers]))
    return Training(made, request, recording)


class Listed:
    """Gives an optimizer the rates of a list, one after the other."""

    def __init__(self, optimizer: Any, rates: list[Any]) -> None:
        self.optimizer, self.rates, self.done = optimizer, rates, 0

    def step(self) -> None:
        """Take the next; None where there is none."""
        self.done += 1
        rate = self.rates[self.done] if self.done < len(self.rates) else None
        self.optimizer.param_groups[0]["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """Where it is."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.done = state["done"] - 1
        self.step()


class Training:
    """What `build` returned, with each group's parameters replaced by one weight.

    Before each update the weight is put to 0 and the optimizer forgets its state. So a gradient of
    1 moves the weight by the rate times a number that does not depend on the rate, and which is
    found by an update at the rate 1.
    """

    def __init__(self, made: Made, request: dict[str, Any], recording: Any) -> None:
        self.made, self.request, self.recording = made, request, recording
        self.optimizer = made.optimizer
        self.parameters = [group["params"] for group in self.groups]
        self.moved_parameter = next((p for ps in self.parameters for p in ps), torch.zeros(1))
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
        like = next(iter(group["params"]), self.moved_parameter)
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        weight = torch.nn.Parameter(torch.zeros(1, dtype=dtype, device=like.device))
        weight.grad = torch.ones_like(weight)
        group["params"] = [weight]
        return weight

    def description(self) -> dict[str, Any]:
        """What it is, for the head of a trace."""
        return {
            "framework": "torch",
            "version": str(torch.__version__),
            "device": str(self.moved_parameter.device),
            "optimizer": name_of(self.optimizer),
            "schedulers": [name_of(s).replace("Listed", "list") for s in self.made.schedulers],
            "when": self.made.when,
            "groups": len(self.groups),
            "rounded_once": not self.made.is_own,
        }

    def update(self) -> None:
        """One update: the rates that the groups say, and by how much the weights move."""
        if len(self.groups) != len(self.weights):
            raise Unusable(
                "the optimizer has %d parameter groups now, and had %d before"
                % (len(self.groups), len(self.weights)),
                "let build add every group",
            )
        rates, precision = {}, {}
        for number, group in enumerate(self.groups):
            if group["lr"] is None:
                raise Unusable("the list of rates has ended", "return a rate for each update")
            held = coarsest((precision_of(group["lr"]), self.made.held))
            rates[_name("reported", number)] = float(group["lr"])
            precision[_name("reported", number)] = held
            weight = precision_of(self.weights[number])
            precision[_name("applied", number)] = coarsest((held, weight))
        if self.applies:
            try:
                rates.update({_name("applied", n): r for n, r in enumerate(self._applied())})
            except Exception as error:
                self.applies = False
                self._leave_weights_alone()
                self.recording.note("applied rates were not observed: %s" % in_short(error))
        if not self.applies:
            self._step_without_gradients()
        self.recording.add(rates, {name: precision[name] for name in rates})

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
        """By how much a twin moves its weights, so that nothing the optimizer counts is changed."""
        twin = object.__new__(type(self.optimizer))
        hooks: dict[str, Any] = {
            name: OrderedDict() for name in vars(self.optimizer) if name.endswith("_hooks")
        }
        vars(twin).update(vars(self.optimizer), state=defaultdict(dict), **hooks)
        vars(twin).pop("step", None)  # a scheduler's, which would step the optimizer itself
        weights = [torch.zeros_like(weight, requires_grad=True) for weight in self.weights]
        twin.param_groups = []
        for group, weight in zip(self.groups, weights):
            weight.grad = torch.ones_like(weight)
            rate = group["lr"]
            one = torch.ones_like(rate) if isinstance(rate, torch.Tensor) else 1.0
            twin.param_groups.append(dict(group, params=[weight], lr=one))
        twin.step()
        if any(float(group["lr"]) != 1 for group in twin.param_groups):
            raise ValueError("this optimizer changes its rate itself as it steps")
        units = [weight.detach().cpu().numpy()[0] for weight in weights]
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

    def _put_parameters_back(self) -> None:
        """What is saved has the shape that the script knows."""
        self.optimizer.state.clear()
        for group, parameters in zip(self.groups, self.parameters):
            group["params"] = parameters

    def resumed(self, script: Any, step: int) -> Training:
        """Another training that goes on from this one's state, as through a checkpoint file."""
        self._put_parameters_back()
        old, returned = self.made, script.build(step)
        new = _made(Parts(KINDS).taken(returned), self.request)
        if script.resumes_by_itself:
            pass
        elif new.load is not None:
            del SCHEDULERS[:], OPTIMIZERS[:]
            parts = reread(KINDS, returned, new.load(old.save()), new.options)
            loaded = list(OPTIMIZERS)
            new = _made(parts, self.request)
            new.check_used(loaded)
        else:
            check_resumed(old, new)
            saved = [part.state_dict() for part in (old.optimizer, *old.schedulers)]
            states = _through_a_file(saved)
            for part, state in zip((new.optimizer, *new.schedulers), states):
                part.load_state_dict(state)
        check_resumed(old, new)
        if not new.is_own and not script.resumes_by_itself:
            new.schedulers[0].load_state_dict({"done": step})
        new.stepped = list(old.stepped)
        return Training(new, self.request, self.recording)


def _through_a_file(states: Any) -> Any:
    file = io.BytesIO()
    torch.save(states, file)
    file.seek(0)
    # What this process has written may hold anything.
    trusting: Any = {"weights_only": False}
    old = "weights_only" not in inspect.signature(torch.load).parameters  # before 1.13
    return torch.load(file, **({} if old else trusting))


def _made(parts: Parts, request: dict[str, Any]) -> Made:
    if parts.is_rates_alone:
        rates, held = rates_of(parts.rates[0], KINDS) or ([], "")
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rates[0])
        parts.schedulers, parts.settings = [Listed(optimizer, rates)], [{}]
        made = Made(optimizer, parts, "step")
        made.held, made.is_own = held, False
        return made
    made = Made(one_optimizer(parts), parts, request["stepping"])
    made.check_complete(SCHEDULERS)
    return made


def _name(kind: str, number: int) -> str:
    return "%s %d" % (kind, number) if number else kind
