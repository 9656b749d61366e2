"""A MindSpore training without a model: the user's optimizer or rates, one weight a group."""

from __future__ import annotations

import os
from typing import Any, Callable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.nn.learning_rate_schedule import LearningRateSchedule

from .recording import in_short
from .returned import (
    Kinds,
    Made,
    Parts,
    Unusable,
    check_resumed,
    coarsest,
    held_by,
    name_of,
    one_optimizer,
    precision_of,
    rates_of,
    remember,
    reread,
    without_state,
)

try:
    from mindspore.experimental.optim import Optimizer as Experimental, lr_scheduler
except ImportError:  # before 2.1
    Experimental = lr_scheduler = None

TRIED = 5
"""Updates for which a schedule of the script's own has to be alike in a graph and outside."""
UNDER_WAY = 200
"""Updates whose values are fetched together; each fetch waits for the device."""

REPLACED: set[int] = set()
"""The ids of Parameters whose data was replaced, beside what is compiled."""
SCHEDULERS: list[Any] = []
"""Those that the script has made."""


def _floats(tensor: Any) -> list[float]:
    if precision_of(tensor) == "bfloat16":
        tensor = tensor.astype(ms.float32)
    floats: list[float] = np.asarray(tensor.asnumpy(), dtype=np.float64).ravel().tolist()
    return floats


KINDS = Kinds(
    optimizers=(nn.Optimizer,) if Experimental is None else (nn.Optimizer, Experimental),
    networks=(nn.Cell,),
    schedules=(LearningRateSchedule,),
    tensor=Tensor,
    floats=_floats,
)


class Constructions:
    """How each optimizer was constructed, and what is put in place of its parameters.

    An optimizer is given one weight a group in place of the parameters of a model. A second one of
    the same class and arguments has the rate 1 throughout: what it moves its weight by tells what
    the optimizer does beside multiplying by the rate.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, ...]] = {}
        self._held: dict[int, list[str]] = {}
        self._unit = False

    def watch(self, base: Any, change: Callable[..., Any]) -> None:
        """Keep the arguments of every optimizer that derives from `base`, and `change` them."""
        constructor, outer = base.__init__, self

        def remembering(cls: Any, *arguments: Any, **named: Any) -> Any:
            made = super(base, cls).__new__(cls)
            outer._made[id(made)] = (made, arguments, named)
            return made

        def constructed(self: Any, *arguments: Any, **named: Any) -> None:
            changed, rates = change(outer._unit, arguments, named)
            outer._held[id(self)] = [held_by(rate, KINDS) for rate in rates]
            constructor(self, **changed)

        base.__new__ = staticmethod(remembering)
        base.__init__ = constructed

    def count(self) -> int:
        """How many optimizers there have been."""
        return len(self._made)

    def since(self, count: int) -> list[Any]:
        """Those that were made since there were so many."""
        return [made for made, _, _ in list(self._made.values())[count:]]

    def held(self, optimizer: Any) -> list[str]:
        """In which precision each group's rate was given."""
        return self._held[id(optimizer)]

    def with_rate_1(self, optimizer: Any) -> Any:
        """Its second, whose parameters have names of their own."""
        _, arguments, named = self._made[id(optimizer)]
        self._unit = True
        try:
            unit = type(optimizer)(*arguments, **named)
        finally:
            self._unit = False
        for parameter in [*unit.get_parameters(), *getattr(unit, "lrs", [])]:
            parameter.name = "unit." + parameter.name
        return unit


CONSTRUCTIONS = Constructions()


def prepare() -> None:
    """Watch the optimizers that the script is about to construct."""
    CONSTRUCTIONS.watch(nn.Optimizer, _changed)
    if Experimental is not None:
        CONSTRUCTIONS.watch(Experimental, _changed_experimental)
        remember(lr_scheduler.LRScheduler, SCHEDULERS)
        if hasattr(lr_scheduler, "ReduceLROnPlateau"):
            remember(lr_scheduler.ReduceLROnPlateau, SCHEDULERS)
    replace = Parameter.set_data

    def replaced(self: Any, *arguments: Any, **named: Any) -> Any:
        REPLACED.add(id(self))
        return replace(self, *arguments, **named)

    Parameter.set_data = replaced


def _changed(unit: bool, arguments: Any, named: Any) -> tuple[dict[str, Any], list[Any]]:
    """The arguments of `nn.Optimizer(learning_rate, parameters, ...)`, and each group's rate."""
    places = ("learning_rate", "parameters", "weight_decay", "loss_scale")
    named = dict(zip(places, arguments), **named)
    rate = named["learning_rate"]
    named["parameters"], rates = _on_weights(named["parameters"], rate, unit)
    if unit:
        named["learning_rate"] = 1.0
    return named, rates


def _changed_experimental(
    unit: bool, arguments: Any, named: Any
) -> tuple[dict[str, Any], list[Any]]:
    """The arguments of `experimental.optim.Optimizer(params, defaults)`, and each group's rate."""
    named = dict(zip(("params", "defaults"), arguments), **named)
    rate = named["defaults"].get("lr")
    named["params"], rates = _on_weights(named["params"], rate, unit)
    if unit:
        named["defaults"] = dict(named["defaults"], lr=1.0)
    return named, rates


def _on_weights(parameters: Any, rate: Any, unit: bool) -> tuple[list[Any], list[Any]]:
    """A weight for each group in place of its parameters, and the rates that they are given."""
    given = list(parameters)
    if not given or not isinstance(given[0], dict):
        return ([_weight(0)] if given else given), [rate]
    groups = [dict(group) for group in given if "params" in group]
    rates = [group.get("lr", rate) for group in groups]
    for number, group in enumerate(groups):
        group["params"] = [_weight(number)]
        if unit:
            group.pop("lr", None)
    return groups, rates


def _weight(number: int) -> Any:
    return Parameter(Tensor(np.zeros(1, dtype=np.float32)), name="weight_%d" % number)


class Step(nn.Cell):
    """An update as a Cell, which MindSpore compiles in its graph mode."""

    def __init__(self, optimizer: Any, unit: Any, step_once: Callable[[Any], Any]) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer, self.unit, self.step_once = optimizer, unit, step_once

    def construct(self, gradients: Any) -> Any:
        """One update."""
        return self.step_once(gradients)


class Training:
    """What `build` returned, stepped update by update.

    Before each update the weights are put to 0, and what the optimizer remembers (its moments) to
    what it was at first. So a gradient of 1 moves a weight by the rate times a number that does not
    depend on the rate, and by which the weight of the second optimizer moves.
    """

    def __init__(
        self, made: Made, listed: list[float], request: dict[str, Any], recording: Any
    ) -> None:
        self.request, self.recording = request, recording
        self.made, self.listed = made, listed
        self.optimizer = made.optimizer
        self.experimental = Experimental is not None and isinstance(self.optimizer, Experimental)
        self.listed_from = 0
        self.weights = list(self.optimizer.parameters)
        self.gradients = tuple(Tensor(np.ones(1, dtype=np.float32)) for _ in self.weights)
        self.mode = self._mode()
        if self.mode == request["mode"] == "graph":
            ms.set_context(mode=ms.GRAPH_MODE)
        self.done = 0
        self.unit: Any = None
        if request["applied"]:
            try:
                self.unit = CONSTRUCTIONS.with_rate_1(self.optimizer)
            except Exception as error:
                self._say_not_applied(error)
        self.fresh, self.runs_optimizer = True, True
        self.under_way: list[Any] = []
        self.rates: list[float] = []
        self.held = [coarsest((made.held, h)) for h in CONSTRUCTIONS.held(self.optimizer)]
        self.step_once = self._step_function()
        REPLACED.clear()

    def _say_not_applied(self, error: Exception) -> None:
        self.recording.note("applied rates were not observed: %s" % in_short(error))

    def _mode(self) -> str:
        """As asked; else as the script's MindSpore is set, and compiled in any case.

        In graph mode the update is a Cell, as the cells of a training are; else it is a function
        that `jit` compiles. A Cell sees what `set_data` changes between two updates, and such a
        function does not. Compiled code keeps a rate that is a number, and so is left alone then.
        """
        if self.experimental and any(
            not isinstance(group["lr"], Tensor) for group in self.optimizer.param_groups
        ):
            return "pynative"
        if self.request["mode"]:
            return str(self.request["mode"])
        if ms.get_context("mode") == ms.GRAPH_MODE:
            return "graph"
        # It may put another rate in the place of one that is compiled.
        own = not all(_is_framework_s(scheduler) for scheduler in self.made.schedulers)
        return "pynative" if self.experimental and own else "jit"

    @property
    def has_parts_of_its_own(self) -> bool:
        """Whether the optimizer or a schedule is of a class that is not the framework's."""
        parts = [self.optimizer, *(cell for _, cell in self.optimizer.cells_and_names())]
        return not all(map(_is_framework_s, parts))

    def description(self) -> dict[str, Any]:
        """What it is, for the head of a trace."""
        schedule = [name_of(s) for s in self.made.schedulers]
        rates = getattr(self.optimizer, "learning_rate", None)
        for cell in rates if isinstance(rates, (list, nn.CellList)) else [rates]:
            if isinstance(cell, LearningRateSchedule):
                name = type(cell).__name__
                known = {"_IteratorLearningRate": "list", "_ConvertToCell": "number"}
                schedule.append(known.get(name, name))
        return {
            "framework": "mindspore",
            "version": ms.__version__,
            "device": str(ms.get_context("device_target")).lower(),
            "mode": self.mode,
            "optimizer": name_of(self.optimizer),
            "schedulers": schedule,
            "when": self.made.when,
            "groups": len(self.weights),
            "rounded_once": not self.experimental,
        }

    def update(self) -> None:
        """One update: the rates that the optimizer says, and by how much the weights move."""
        if self.experimental and not self.rates:
            given = [group["lr"] for group in self.optimizer.param_groups]
            self.rates = [_number(rate) for rate in given]
            self.held = [coarsest((h, precision_of(r))) for h, r in zip(self.held, given)]
        values = self._values()
        self.fresh = False
        self.under_way.append((self.done, self.rates, values))
        self.done += 1
        if self.mode == "pynative" or len(self.under_way) >= UNDER_WAY:
            self.settle()

    def _values(self) -> Any:
        """What one update shows."""
        try:
            return self.step_once(self.gradients)
        except Exception as error:
            self.settle()
            if not self.fresh or not self.runs_optimizer:
                raise
            self._say_not_applied(error)
        # An operator that this device lacks, say. Which rate is due, the optimizer can still tell.
        self.unit, self.runs_optimizer = None, False
        self.step_once = self._step_function()
        return self.step_once(self.gradients)

    def _step_function(self) -> Callable[[Any], Any]:
        """What makes one update, and gives all that is seen of it as one Tensor."""
        optimizer, unit, weights = self.optimizer, self.unit, self.weights
        units = list(unit.parameters) if unit is not None else []
        asks = not self.experimental
        many = bool(getattr(optimizer, "is_group_lr", False))
        # In MindSpore 2.0 `get_lr()` counts an update: then the schedule is asked in its place.
        asks_schedule = asks and "assignadd" in type(optimizer).get_lr.__code__.co_names
        looks_up = asks_schedule and optimizer.dynamic_lr
        count = len(weights)
        state = [*_state(optimizer), *_state(unit)] if units else []
        runs_optimizer, counts = self.runs_optimizer, hasattr(optimizer, "global_step")
        one_more = Tensor([1], ms.int32)
        nothing: tuple[Any, ...] = ()  # here, since MindSpore 2.0 compiles no annotation

        def step_once(gradients: Any) -> Any:
            values = nothing
            if asks:
                rate = optimizer.learning_rate if asks_schedule else optimizer.get_lr()
                for number in range(count):
                    one = rate[number] if many else rate
                    one = one(optimizer.global_step) if looks_up else one
                    values += (one.reshape((1,)),)
            if runs_optimizer:
                optimizer(gradients)
            elif counts:
                ops.assign_add(optimizer.global_step, one_more)
            if units:
                unit(gradients)
                for weight in weights:
                    values += (weight + 0,)
                for weight in units:
                    values += (weight + 0,)
                for weight in weights:
                    ops.assign(weight, ops.zeros_like(weight))
                for weight in units:
                    ops.assign(weight, ops.zeros_like(weight))
                for parameter, initial in state:
                    ops.assign(parameter, initial + 0)
            return ops.concat(values) if values else gradients[0]

        if self.mode == "pynative":
            return step_once
        if self.mode == "graph":
            return Step(optimizer, unit, step_once)
        compiled: Callable[[Any], Any] = ms.jit(step_once)
        return compiled

    def settle(self) -> None:
        """Fetch what is under way, and hand it on."""
        under_way, self.under_way = self.under_way, []
        count = len(self.weights)
        for update, told, tensor in under_way:
            values = tensor.asnumpy()
            rates = told if self.experimental else values[:count]
            moved = values if self.experimental else values[count:]
            precisions = [coarsest((h, "float32", precision_of(values))) for h in self.held]
            seen, precision = {}, {}
            for number, held in enumerate(precisions):
                seen[_name("reported", number)] = float(rates[number])
                precision[_name("reported", number)] = held
            if self.listed:
                if update - self.listed_from >= len(self.listed):
                    raise Unusable("the list of rates has ended", "return a rate for each update")
                seen["reported"] = self.listed[update - self.listed_from]
                precision["reported"] = self.made.held
            units = moved[count:]
            if self.unit is not None and not (np.isfinite(units) & (units != 0)).all():
                self._say_not_applied(ValueError("it does not move a weight by a gradient of 1"))
                self.unit = None
            if self.unit is not None:
                with np.errstate(all="ignore"):
                    applied = moved[:count] / units
                for number, rate in enumerate(applied):
                    seen[_name("applied", number)] = float(rate)
                    precision[_name("applied", number)] = precisions[number]
            self.recording.add(seen, precision)

    def first(self, count: int) -> Any:
        """What the first `count` updates show, whether in a graph or outside; for a trial only."""
        values = []
        for _ in range(min(count, self.request["steps"])):
            try:
                values.append(self.step_once(self.gradients).asnumpy())
            except Exception:
                values.append(np.full_like(values[0], np.nan) if values else np.zeros(0))
        return np.array(values)

    def advance(self, done: int, steps_per_epoch: int) -> None:
        """Step the schedulers that are due, which the optimizers of `nn` do without."""
        if self.made.schedulers:
            self.settle()  # what comes now is the script's own, and may take long or fail
        if self.made.advance(done, steps_per_epoch):
            self.rates = []
            self._say_replaced()

    def _say_replaced(self) -> None:
        rates = getattr(self.optimizer, "learning_rate", None)
        for rate in rates if isinstance(rates, (list, tuple)) else [rates]:
            if id(rate) in REPLACED:
                self.recording.note(
                    "the rate was changed by set_data, which a Cell sees that runs in GRAPH_MODE, "
                    "and which nothing else sees that MindSpore has compiled; it was observed in "
                    "%s (--mindspore-mode graph, jit)"
                    % ("such a Cell" if self.mode == "graph" else "a function that jit compiled")
                )

    def resumed(self, script: Any, step: int) -> Training:
        """Another training that goes on from this one's state, as through a checkpoint file."""
        old, returned = self.made, script.build(step)
        new, listed = _made(Parts(KINDS).taken(returned), self.request)
        goes_on = not script.resumes_by_itself
        if not goes_on:
            pass
        elif new.load is not None:
            count = CONSTRUCTIONS.count()
            del SCHEDULERS[:]
            parts = reread(KINDS, returned, new.load(old.save()), new.options)
            made = CONSTRUCTIONS.since(count)
            new, listed = _made(parts, self.request)
            new.check_used(made)
        else:
            check_resumed(old, new)
            self._carry_over(new)
        check_resumed(old, new)
        new.stepped = list(old.stepped)
        other = Training(new, listed, self.request, self.recording)
        other.done = self.done
        if not goes_on:
            other.listed_from = step
        elif hasattr(new.optimizer, "global_step"):
            if not new.is_own and new.load is not None:
                ops.assign(new.optimizer.global_step, Tensor([step], ms.int32))
            if other.unit is not None:
                ops.assign(other.unit.global_step, Tensor(new.optimizer.global_step.asnumpy()))
        return other

    def _carry_over(self, new: Made) -> None:
        path = os.path.join(self.recording.folder, "optimizer.ckpt")
        ms.save_checkpoint(self.optimizer, path)
        ms.load_param_into_net(new.optimizer, ms.load_checkpoint(path))
        os.remove(path)
        for before, after in zip(self.made.schedulers, new.schedulers):
            after.load_state_dict(before.state_dict())


def begin(script: Any, request: dict[str, Any], recording: Any) -> Training:
    """The training; in a graph, unless a schedule of the script's own has other rates there.

    A script that sets no mode runs its schedule outside of a graph, where it may do what a graph
    does once and never again. Outside of a graph an update takes ten times as long.
    """

    def built(mode: str | None) -> Training:
        asked = dict(request, mode=mode)
        return Training(*_made(Parts(KINDS).taken(script.build()), asked), asked, recording)

    training = built(request["mode"])
    if request["resume_at"]:
        experimental = [training.optimizer] if training.experimental else []
        stateless = without_state(training.made.schedulers)
        training.made.check_resumable(script, [*experimental, *stateless])
    if request["mode"] is not None or training.mode != "jit" or not training.has_parts_of_its_own:
        return training
    outside = built("pynative")
    if outside.optimizer is not training.optimizer:
        inside = built(None)
        if np.array_equal(inside.first(TRIED), outside.first(TRIED), equal_nan=True):
            return training
        recording.note(
            "the rates were observed outside of a graph (PyNative mode): in a graph they are others"
        )
    return built("pynative")


def _made(parts: Parts, request: dict[str, Any]) -> tuple[Made, list[float]]:
    """What was returned, and its rates where it is a list of them alone."""
    if parts.is_rates_alone:
        listed, held = rates_of(parts.rates[0], KINDS) or ([], "float32")
        made = Made(nn.SGD([_weight(0)], listed or parts.rates[0]), parts, request["stepping"])
        made.held, made.is_own = held, False
        return made, listed
    made = Made(one_optimizer(parts), parts, request["stepping"])
    made.check_complete(SCHEDULERS)
    return made, []


def _state(optimizer: Any) -> list[tuple[Any, Any]]:
    """What an optimizer carries from update to update beside its step and its rate, as it is now.

    A schedule's own Parameters are not of that.
    """
    cells = [cell for _, cell in optimizer.cells_and_names()]
    schedules = [cell for cell in cells if isinstance(cell, LearningRateSchedule)]
    kept = [p for cell in schedules for p in cell.get_parameters()]
    kept += [*optimizer.parameters, *getattr(optimizer, "lrs", [])]
    names = {parameter.name for parameter in kept}
    return [
        (parameter, Tensor(parameter.asnumpy()))
        for parameter in optimizer.get_parameters()
        if parameter.name not in names
        and not parameter.name.endswith("global_step")
        and "learning_rate" not in parameter.name
    ]


def _is_framework_s(part: Any) -> bool:
    """Whether it is of a class of MindSpore's own."""
    return str(type(part).__module__).startswith("mindspore.")


def _number(rate: Any) -> float:
    return float(rate.asnumpy()) if isinstance(rate, Tensor) else float(rate)


def _name(kind: str, number: int) -> str:
    return "%s %d" % (kind, number) if number else kind
