"""Drives MindSpore's learning-rate schedules. Self-contained: it is sent to other interpreters."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import os
from typing import Any, Callable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.nn.learning_rate_schedule import LearningRateSchedule

_source_of = functools.lru_cache(None)(inspect.getsourcelines)


def _source_lines(thing: Any) -> Any:
    """`inspect.getsourcelines`, which tokenizes once: each graph asks for that of dozens."""
    thing = inspect.unwrap(thing)
    lines, first = _source_of(getattr(thing, "__code__", thing))
    return list(lines), first


inspect.getsourcelines = _source_lines  # type: ignore[assignment]

# Settings under which a gradient of 1 moves a weight by the rate (with nn.Momentum, by known
# multiples of it).
SMALL = 1e-12
OPTIMIZERS: dict[str, Any] = {
    "SGD": ("SGD", {}),
    "Momentum": ("Momentum", {"momentum": 0.5}),
    "Adam": ("Adam", {"beta1": SMALL, "beta2": SMALL, "eps": SMALL}),
    "AdamW": ("AdamWeightDecay", {"beta1": SMALL, "beta2": SMALL, "eps": SMALL}),
}
EXPERIMENTAL: dict[str, Any] = {
    "SGD": ("SGD", {}),
    "Momentum": ("SGD", {"momentum": 0.5, "dampening": 0.5}),
    "Adam": ("Adam", {"betas": (SMALL, SMALL), "eps": SMALL}),
    "AdamW": ("AdamW", {"betas": (SMALL, SMALL), "eps": SMALL, "weight_decay": 0.0}),
}
FUNCTIONS: dict[str, Any] = {
    "power": lambda a, values: lambda t: a**t,
    "inverse": lambda a, values: lambda t: 1 / (1 + a * t),
    "inverse_sqrt": lambda a, values: lambda t: (1 + a * t) ** -0.5,
    "constant": lambda a, values: lambda t: a,
    "table": lambda a, values: lambda t: values[min(int(t), len(values) - 1)],
    "counting": lambda a, values: Counting(a),
}


class Counting:
    """A function that is an object with a state."""

    def __init__(self, a: float) -> None:
        self.a, self.calls = a, 0

    def __call__(self, _: float) -> float:
        self.calls += 1
        return float(self.a ** (self.calls - 1))


class OneAfterAnother(LearningRateSchedule):
    """A user's own schedule: the part of the present step, with the steps since its milestone."""

    def __init__(self, schedules: list[Any], milestones: list[int]) -> None:
        super().__init__()
        self.first = schedules[0]
        self.rest = nn.CellList(schedules[1:])
        self.milestones = milestones

    def construct(self, global_step: Any) -> Any:
        rate = self.first(global_step)
        for index, part in enumerate(self.rest):
            begins = self.milestones[index]
            since = ops.maximum(global_step - begins, 0)
            rate = ops.select(global_step >= begins, part(since), rate)
        return rate


class Own(nn.Optimizer):
    """A user's own plain SGD, which gives what it would move each weight by.

    In MindSpore 2.0 `get_lr` counts the update; later an optimizer has to do that itself.
    """

    counts = "global_step_increase" not in inspect.getsource(nn.Optimizer.get_lr)

    def __init__(self, parameters: Any, learning_rate: Any) -> None:
        super().__init__(learning_rate, parameters)

    def construct(self, gradients: Any) -> Any:
        rates = self.get_lr()
        if self.counts:
            ops.assign_add(self.global_step, self.global_step_increase_tensor)
        each = rates if isinstance(rates, tuple) else [rates] * len(gradients)
        return [gradient * rate for gradient, rate in zip(gradients, each)]


class OwnMoving(Own):
    """The same, which moves them."""

    def construct(self, gradients: Any) -> None:
        for weight, move in zip(self.parameters, super().construct(gradients)):
            ops.assign(weight, weight - move)


@functools.lru_cache(None)
def own_experimental() -> Any:
    """Both again, as the documentation of the experimental `Optimizer` writes them."""
    from mindspore.experimental.optim import Optimizer

    class OwnExperimental(Optimizer):
        def __init__(self, groups: list[dict[str, Any]], lr: Any) -> None:
            super().__init__(groups, {"lr": lr})

        def construct(self, gradients: Any) -> Any:
            moves = []
            for number, group in enumerate(self.param_groups):
                start = self.group_start_id[number]
                for index in range(len(group["params"])):
                    moves.append(gradients[start + index] * group["lr"])
            return moves

    class OwnExperimentalMoving(OwnExperimental):
        def construct(self, gradients: Any) -> None:
            for weight, move in zip(self.parameters, super().construct(gradients)):
                ops.assign(weight, weight - move)

    return OwnExperimental, OwnExperimentalMoving


COMPILED: dict[Any, Any] = {}
"""Optimizers with their graphs, and their steps."""
IN_USE: dict[Any, Any] = {}
"""Those of the present trial."""
SET_UP: list[Any] = []
"""How the process is set up, once it is."""
OWN = {"mindspore.nn.learning_rate_schedule.LearningRateSchedule": OneAfterAnother}


def describe() -> dict[str, Any]:
    """Versions and devices."""
    present, absent = [], {}
    for name in ("CPU", "GPU", "Ascend"):
        try:
            reason = _absence(name)
        except Exception as error:
            reason = "%s: %s" % (type(error).__name__, str(error).strip().split("\n")[0])
        if reason:
            absent[name.lower()] = reason
        else:
            present.append(name.lower())
    return {
        "framework": "mindspore",
        "version": ms.__version__,
        "packages": {"mindspore": ms.__version__, "numpy": np.__version__},
        "devices": present or ["cpu"],
        "absent_devices": absent,
    }


def _absence(device: str) -> str:
    """Why a device cannot be used; nothing where it can."""
    if hasattr(ms, "hal"):
        there = ms.hal.is_available(device)
        return "" if there else "mindspore.hal.is_available(%r) is False" % device
    before = ms.get_context("device_target")
    try:
        ms.set_context(device_target=device)
        return ""
    finally:
        ms.set_context(device_target=before)


def run(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Drive a list function, a Cell, an experimental scheduler or a callback; report both rates."""
    _set_up(request["device"], request["mode"] == "graph", request["awaited"])
    drive = {"scheduler": _scheduler, "list": _list, "cell": _cell, "callback": _callback}
    IN_USE.clear()
    drive[request["kind"]](request, report)
    COMPILED.update(IN_USE)  # after a failure a graph may be unfinished


def _set_up(*wanted: Any) -> None:
    """Set device, mode and awaiting, unless they are as the request before had them.

    Each look at a context costs 0.1 ms. What fails half way is set anew, whoever comes next.
    """
    if wanted in SET_UP:
        return
    SET_UP.clear()
    device, graph, awaited = wanted
    ms.set_context(mode=ms.GRAPH_MODE if graph else ms.PYNATIVE_MODE)
    target = {"cpu": "CPU", "gpu": "GPU", "ascend": "Ascend"}[device]
    if ms.get_context("device_target") != target:
        ms.set_context(device_target=target)
    _await_the_first()
    _await_each(awaited)
    SET_UP.append(wanted)


@functools.lru_cache(None)
def _await_the_first() -> None:
    """Await the first call of the process, whoever needs it.

    If it is not, then those that are awaited later take 2.5 times as long, and the threads that
    wait spinning never rest (2.10.0: 100 trials of schedulers take 7.5 s of CPU in place of 1.3).
    """
    _await_each(True)
    Tensor(0.0) + 1


def _await_each(awaited: bool) -> None:
    """Whether PyNative calls are awaited one by one, or run on in threads of MindSpore's own.

    These threads wait spinning, which costs the CPU time again that the calls themselves take, and
    two processes on two cores take it from each other. What is said of the setting's future is no
    part of the observation (`launch_blocking`, which is to replace it, cannot be taken back).
    """
    if ms.get_context("pynative_synchronize") is not awaited:
        logging.disable(logging.WARNING)
        try:
            ms.set_context(pynative_synchronize=awaited)
        finally:
            logging.disable(logging.NOTSET)


def _scheduler(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Step an experimental scheduler and optimizer through a training."""
    seen, changes = _Seen(request), dict(request["changes"])
    training = _Training(request)
    training.begin()  # what is raised here was raised before there is any sequence
    try:
        for update in range(request["updates"]):
            training.join(update)
            if request["resume"] and update == request["resume"]["at"]:
                training.resume()
            if update in changes:
                ops.assign(training.optimizer.param_groups[0]["lr"], changes[update])
            if seen.wants(update):
                seen.report(training.rates())
                if request["applies"]:
                    seen.apply(_moved(training.step, training.weights, request))
            elif request["applies"]:
                training.step()
            training.advance(update)
    finally:
        seen.send(report)


class _Seen:
    """The rates of each group, as they come in."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._wanted = set(request["steps"])
        self._precision = request["applied_precision"]
        self._shows_applied = request["shows_applied"]
        self.reported: list[list[Any]] = [[] for _ in request["groups"]]
        self.applied: list[list[Any]] = [[] for _ in request["groups"]]

    def wants(self, update: int) -> bool:
        return update in self._wanted

    def report(self, rates: list[Any]) -> None:
        for seen, rate in zip(self.reported, rates):
            seen.append(rate)

    def apply(self, rates: list[Any]) -> None:
        for seen, rate in zip(self.applied, rates):
            seen.append(rate)

    def send(self, report: Callable[[str, Any], None]) -> None:
        for number in range(len(self.reported)):
            suffix = " %d" % number if number else ""
            report("reported" + suffix, np.array(self.reported[number]))
            if self._shows_applied:
                report("applied" + suffix, np.array(self.applied[number], dtype=self._precision))


class _Training:
    """Weights, experimental optimizer and scheduler, and what happens to them."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.metrics = iter(request["metrics"])
        self.weights: list[Any] = []
        self.optimizer: Any = None
        self.scheduler: Any = None
        self.step: Any = None

    def begin(self) -> None:
        present = [group for group in self.request["groups"] if group["added_at"] == 0]
        rates = [_rate(group["base_lr"], self.request) for group in present]
        if self.request["lr_shared"]:
            rates = rates[:1] * len(rates)
        self._make([{"lr": rate} for rate in rates], {})

    def join(self, update: int) -> None:
        for group in self.request["groups"]:
            if update and group["added_at"] == update:
                self.weights.append(_weight(self.request, len(self.weights)))
                rate = _rate(group["base_lr"], self.request)
                added = {"params": [self.weights[-1]], "lr": rate}
                self.optimizer.add_param_group(added)
                self.step = _stepped(self.optimizer, self.weights, self.request["mode"])

    def resume(self) -> None:
        """Go on with new objects; there is no state_dict, only the number of the last epoch."""
        kept = [
            {
                "lr": _rate(float(group["lr"].asnumpy()), self.request),
                "initial_lr": group["initial_lr"],
            }
            for group in self.optimizer.param_groups
        ]
        done = int(self.scheduler.last_epoch.asnumpy())
        self._make(kept, {"last_epoch": done - 1})

    def _make(self, groups: list[dict[str, Any]], more: dict[str, Any]) -> None:
        from mindspore.experimental import optim

        weights = [_weight(self.request, number) for number in range(len(groups))]
        made = [dict(g, params=[weight]) for g, weight in zip(groups, weights)]
        if self.request["optimizer"] == "own":
            own = own_experimental()[self.request["one_by_one"]]
            optimizer = own(made, groups[0]["lr"])
        else:
            name, settings = EXPERIMENTAL[self.request["optimizer"]]
            optimizer = getattr(optim, name)(made, lr=groups[0]["lr"], **settings)
        # Groups that hold one Tensor hold one memory, which is what such a trial is about.
        alone = self.request["lr_shared"] or self.request["resume"]
        lasts = len(groups) == len(self.request["groups"]) and not alone
        self.optimizer, self.step = _with_graphs(optimizer, self.request, lasts)
        self.weights = list(self.optimizer.parameters)
        arguments: dict[str, Any] = dict(self.request["arguments"], **more)
        self.scheduler = _made(self.request["api"], arguments, self.optimizer)

    def rates(self) -> list[Any]:
        if self.request["reading"] == "last_epoch":
            epoch = float(self.scheduler.last_epoch.asnumpy())
            return [np.float32(epoch) for _ in self.optimizer.param_groups]
        groups = self.optimizer.param_groups
        if any(group["added_at"] for group in self.request["groups"]):
            return [_fetched(group["lr"]) for group in groups]  # which know of one that joins first
        rates = self.scheduler.get_last_lr()
        if not isinstance(rates, (list, tuple)) or len(rates) != len(groups):
            raise Misshapen("get_last_lr() gave %r for %d group(s)" % (rates, len(groups)))
        return [_fetched(rate) for rate in rates]

    def advance(self, update: int) -> None:
        if self.request["per_epoch"] and (update + 1) % self.request["steps_per_epoch"]:
            return
        if self.request["metrics"]:
            self.scheduler.step(next(self.metrics))
        elif self.request["told"]:
            epoch = self.request["told"][update]
            self.scheduler.step(*([] if epoch is None else [epoch]))
        elif self.request["stepping"] == "epoch":
            done = update + 1
            if self.request["per_epoch"]:
                done //= self.request["steps_per_epoch"]
            self.scheduler.step(done)
        else:
            self.scheduler.step()


def _list(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Make the list, and let an optimizer look its rates up."""
    made = [_made(request["api"], group["arguments"], None) for group in request["groups"]]
    for number, rates in enumerate(made):
        if not isinstance(rates, (list, tuple)):
            raise Misshapen("%r where a list was due" % (rates,))
        wanted = [step for step in request["steps"] if step < len(rates)]
        extra = list(rates[request["updates"] :])
        suffix = " %d" % number if number else ""
        given = [rates[step] for step in wanted] + extra
        report("reported" + suffix, np.array([_fetched(rate) for rate in given]))
    _look_up([_rate(rates, request) for rates in made], request, report)


def _cell(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Call the Cell at each step, or once with all of them, and give it to an optimizer."""
    cells = [_made(request["api"], group["arguments"], None) for group in request["groups"]]
    for number, cell in enumerate(cells):
        reported = []
        try:
            if request["mode"] == "vector":
                steps = Tensor(np.array(request["steps"], dtype=np.int32))
                rates = cell(steps)
                if tuple(rates.shape) != tuple(steps.shape):
                    raise Misshapen("%r for %d steps" % (rates, len(request["steps"])))
                reported = list(rates.asnumpy())
            else:
                for step in request["steps"]:
                    reported.append(_fetched(cell(Tensor(step, ms.int32))))
        finally:
            report("reported%s" % (" %d" % number if number else ""), np.array(reported))
    _look_up(cells, request, report)


def _look_up(
    schedules: list[Any], request: dict[str, Any], report: Callable[[str, Any], None]
) -> None:
    """Let an optimizer of `mindspore.nn` move weights; jump over the steps that are not observed.

    Its `global_step` counts the updates made, and a checkpoint restores it: that is the jump.
    """
    if not request["applies"]:
        return
    optimizer, step_once = _optimizer(schedules, request)
    seen, resume = _Seen(request), request["resume"]
    expected = done = 0
    try:
        for step in request["steps"]:
            if resume and expected == resume["at"]:
                ms.save_checkpoint(optimizer, "optimizer.ckpt")
                optimizer, step_once = _optimizer(schedules, request)
                ms.load_param_into_net(optimizer, ms.load_checkpoint("optimizer.ckpt"))
                os.remove("optimizer.ckpt")
            if step != expected:
                ops.assign(optimizer.global_step, Tensor([step], ms.int32))
            moved = _moved(step_once, list(optimizer.parameters), request)
            seen.apply(_rates_of(moved, request["optimizer"], done))
            done += 1
            expected = step + 1
    finally:
        for number, rates in enumerate(seen.applied):
            suffix = " %d" % number if number else ""
            report("applied" + suffix, np.array(rates, dtype=request["applied_precision"]))


def _optimizer(schedules: list[Any], request: dict[str, Any]) -> tuple[Any, Callable[[], Any]]:
    """An optimizer of `mindspore.nn` with a weight for each schedule, and its step."""
    weights = [_weight(request, number) for number in range(len(schedules))]
    own = request["optimizer"] == "own"
    name, settings = ("", {}) if own else OPTIMIZERS[request["optimizer"]]
    make = (OwnMoving if request["one_by_one"] else Own) if own else getattr(nn, name)
    groups = [{"params": [w], "lr": rate} for w, rate in zip(weights, schedules)]
    given = weights if len(schedules) == 1 else groups
    optimizer = make(given, learning_rate=schedules[0], **settings)
    # A Cell's numbers are constants of the graph.
    shares = not request["resume"] and not any(isinstance(s, nn.Cell) for s in schedules)
    return _with_graphs(optimizer, request, shares)


def _with_graphs(optimizer: Any, request: dict[str, Any], shares: bool) -> tuple[Any, Any]:
    """An optimizer that holds all that `optimizer` does, and its step: compiled before, if it may.

    A graph takes 0.1 to 0.4 s to compile and refers to the Parameters of one optimizer. So
    optimizers that differ in values alone take turns with one that has its graphs.
    """
    step = _stepped(optimizer, list(optimizer.parameters), request["mode"])
    if not shares or request["one_by_one"] or request["optimizer"] == "own":
        return optimizer, step
    kinds = tuple((p.name, tuple(p.shape), str(p.dtype)) for p in _parameters(optimizer))
    key = type(optimizer), request["optimizer"], request["mode"], request["device"], kinds
    if key in COMPILED:
        made, (optimizer, step) = optimizer, COMPILED.pop(key)
        _take_over(optimizer, made)
    IN_USE[key] = optimizer, step
    return optimizer, step


def _parameters(optimizer: Any) -> list[Any]:
    """Its weights, what it remembers, and its rates."""
    return [*optimizer.get_parameters(), *getattr(optimizer, "lrs", [])]


def _take_over(optimizer: Any, other: Any) -> None:
    """Give an optimizer the values of another one, which has the same Parameters."""
    for mine, given in zip(_parameters(optimizer), _parameters(other)):
        ops.assign(mine, Tensor(given.asnumpy()))
    for mine, given in zip(
        getattr(optimizer, "param_groups", []), getattr(other, "param_groups", [])
    ):
        kept = {key: mine[key] for key in ("params", "lr")}
        mine.clear()
        mine.update(given, **kept)


def _stepped(optimizer: Any, weights: list[Any], mode: str) -> Callable[[], Any]:
    """One update with gradients of 1, as a call of the optimizer or inside a jitted function.

    `jit-O1` names the level of compilation; `jit` leaves it to MindSpore.
    """
    gradients = tuple(Tensor(np.ones(1, dtype=np.float32)) for _ in weights)
    jit, _, level = mode.partition("-")
    if jit != "jit":
        return lambda: optimizer(gradients)

    @(ms.jit(jit_level=level) if level else ms.jit)
    def jitted(given: Any) -> Any:
        return optimizer(given)

    return lambda: jitted(gradients)


def _callback(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Train a `Model` whose weight has a gradient of 1, with the callback."""
    from mindspore import dataset
    from mindspore.train import Callback, Metric, Model

    class Net(nn.Cell):
        def __init__(self, weight: Any) -> None:
            super().__init__()
            self.weight = weight

        def construct(self, x: Any) -> Any:
            return self.weight.sum() * x

    class Evaluation(nn.Cell):
        def construct(self, x: Any) -> Any:
            return x, x, x

    class Given(Metric):
        def clear(self) -> None:
            pass

        def update(self, *_: Any) -> None:
            pass

        def eval(self) -> Any:
            return next(metrics)

    class Recorder(Callback):
        def on_train_step_begin(self, _: Any) -> None:
            if len(seen.reported[0]) < request["updates"]:
                _put_to_zero([net.weight], request)
                seen.report([_fetched(optimizer.learning_rate)])

        def on_train_step_end(self, _: Any) -> None:
            if len(seen.applied[0]) < request["updates"]:
                done = len(seen.applied[0])
                moved = [-net.weight.asnumpy()[0]]
                seen.apply(_rates_of(moved, request["optimizer"], done))

    length = request["steps_per_epoch"]
    epochs = -(-request["updates"] // length)
    metrics, seen = iter(request["metrics"]), _Seen(request)
    optimizer, _ = _optimizer([_rate(request["groups"][0]["base_lr"], request)], request)
    net = Net(optimizer.parameters[0])
    rows = np.ones(length, dtype=np.float32)
    data = dataset.NumpySlicesDataset(rows, ["x"], shuffle=False, num_parallel_workers=1)
    arguments, evaluated = dict(request["arguments"]), bool(request["metrics"])
    if evaluated:
        arguments["monitor"] = "given"
    else:
        factor = _argument(arguments.pop("learning_rate_function"), None)
        arguments["learning_rate_function"] = lambda rate, step: rate * factor(step)
    callbacks = [Recorder(), _made(request["api"], arguments, None)]
    try:
        if evaluated:
            model = Model(
                net,
                optimizer=optimizer,
                metrics={"given": Given()},
                eval_network=Evaluation(),
                eval_indexes=[0, 1, 2],
            )
            model.fit(epochs, data, data, dataset_sink_mode=False, callbacks=callbacks)
        else:
            model = Model(net, optimizer=optimizer)
            model.train(epochs, data, dataset_sink_mode=False, callbacks=callbacks)
    finally:
        wanted = request["steps"]
        for rates in (*seen.reported, *seen.applied):
            rates[:] = [rates[step] for step in wanted if step < len(rates)]
        seen.send(report)


def _made(api: str, arguments: dict[str, Any], optimizer: Any) -> Any:
    """Call an API, its parts first."""
    made = {name: _argument(value, optimizer) for name, value in arguments.items()}
    optimizer = made.pop("optimizer", optimizer)  # a case may give another, or what is none
    target = OWN.get(api) or _resolve(api)
    return target(**made) if optimizer is None else target(optimizer, **made)


def _argument(value: Any, optimizer: Any) -> Any:
    if isinstance(value, list):
        return [_argument(item, optimizer) for item in value]
    if isinstance(value, dict) and "api" in value:
        return _made(value["api"], value["arguments"], optimizer)
    if isinstance(value, dict) and "optimizer" in value:
        from mindspore.experimental import optim

        weight = Parameter(Tensor(np.zeros(1, dtype=np.float32)), name="another")
        return getattr(optim, value["optimizer"])([weight], lr=1.0)
    if isinstance(value, dict) and "function" in value:
        return FUNCTIONS[value["function"]](value["a"], value["values"])
    return value


def _weight(request: dict[str, Any], number: int) -> Any:
    zeros = np.zeros(1, dtype=request["applied_precision"])
    return Parameter(Tensor(zeros), name="weight_%d" % number)


def _rate(rate: Any, request: dict[str, Any]) -> Any:
    """A rate, or the rates of all steps, as an optimizer is given them: numbers, or a tensor."""
    if not request["lr_dtype"]:
        return rate
    tensor = Tensor(np.array(rate, dtype=request["lr_dtype"]))
    return Parameter(tensor, name="given_rate") if request["lr_parameter"] else tensor


def _moved(step: Callable[[], Any], weights: list[Any], request: dict[str, Any]) -> list[Any]:
    """Make one update, and say how far each weight moved down from 0."""
    if request["optimizer"] == "own" and not request["one_by_one"]:
        zero = np.zeros(1, dtype=request["applied_precision"])
        return [-(zero - move.asnumpy().astype(zero.dtype))[0] for move in step()]
    _put_to_zero(weights, request)
    step()
    return [-weight.asnumpy()[0] for weight in weights]


def _rates_of(moved: list[Any], optimizer: str, done: int) -> list[Any]:
    """The rates, where nn.Momentum moves weights by a known multiple of them."""
    if optimizer == "Momentum":
        return [rate / np.float32(2 - 0.5**done) for rate in moved]
    return moved


def _put_to_zero(weights: list[Any], request: dict[str, Any]) -> None:
    """By a new Tensor each time: the Parameter may share its memory from then on (2.10.0)."""
    for weight in weights:
        ops.assign(weight, Tensor(np.zeros(1, dtype=request["applied_precision"])))


class Misshapen(Exception):
    """What was given is no rate for each group and step; its text shows it."""

    misshapen = True


def _fetched(rate: Any) -> Any:
    """A rate as a numpy scalar of its own precision; Python's numbers are float64."""
    if isinstance(rate, Tensor):
        array = np.array(rate.asnumpy(), copy=True)
        if array.ndim == 0 and array.dtype.kind == "f":
            return array
    elif isinstance(rate, np.floating):
        return rate
    elif isinstance(rate, (int, float)) and not isinstance(rate, bool):
        return np.float64(rate)
    raise Misshapen("%r, of the type %s, where a rate was due" % (rate, type(rate).__name__))


def _resolve(api: str) -> Any:
    module, _, name = api.rpartition(".")
    return getattr(importlib.import_module(module), name)
