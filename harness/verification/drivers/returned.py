"""Reads what a script's `build` returns: every part of it is used, or is an error that names it."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

OPTIMIZER, SCHEDULER, RATES, NETWORK = "optimizer", "scheduler", "learning_rate", "network"
KEYS = {
    "optimizer": (OPTIMIZER,),
    "scheduler": (SCHEDULER,),
    "schedulers": (SCHEDULER,),
    "lr_scheduler": (SCHEDULER,),
    "learning_rate": (RATES,),
    "network": (NETWORK,),
}
"""Which parts may stand under a key."""
OPTIONS = ("per", "metrics", "save", "load")
SETTINGS = ("interval", "frequency", "reduce_on_plateau", "opt_idx")
"""What Lightning's `lr_scheduler_config` says of how a scheduler is stepped."""
LABELS = ("monitor", "name", "strict")
"""What it says beside that, which changes no rate: what is monitored, `metrics` gives."""
DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
ANY = (OPTIMIZER, SCHEDULER, RATES, NETWORK)
EXPECTED_AT = {
    OPTIMIZER: "an optimizer",
    SCHEDULER: "a scheduler",
    RATES: "a list of rates or a schedule",
    NETWORK: "a network",
}
LEAVE_OUT = "let build return what it trains with alone; --help lists what that may be"

EXPECTED = (
    "return an optimizer, or a tuple of it and its schedulers, or a mapping with 'optimizer' and "
    "'scheduler', or a list of rates"
)
ONE_OPTIMIZER = "compare one optimizer at a time: return each from a function of its own"


class Unusable(Exception):
    """What `build` returned cannot be run: a sentence for its author, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__("%s\n    remedy: %s" % (what, remedy))


class When(NamedTuple):
    """When a scheduler is stepped: after every `frequency` epochs, or updates."""

    unit: str = "epoch"
    frequency: int = 1

    def is_due(self, done: int, steps_per_epoch: int) -> bool:
        """Whether it is stepped after `done` updates.

        Updates are counted from the beginning of each epoch, as Lightning does.
        """
        if self.unit == "epoch":
            return not done % steps_per_epoch and not done // steps_per_epoch % self.frequency
        count = (done - 1) % steps_per_epoch + 1 if steps_per_epoch > 1 else done
        return not count % self.frequency


class Kinds(NamedTuple):
    """How the parts are told apart in a framework."""

    optimizers: Tuple[Any, ...]
    networks: Tuple[Any, ...]
    schedules: Tuple[Any, ...]
    """What an optimizer asks for a rate."""
    tensor: Any
    floats: Callable[[Any], List[float]]
    """The elements of a tensor."""


class Parts:
    """What was returned, by kind; `settings` has one entry for each scheduler."""

    def __init__(self, kinds: Kinds, source: str = "build") -> None:
        self.kinds, self.source = kinds, source
        self.optimizers: List[Any] = []
        self.schedulers: List[Any] = []
        self.settings: List[Dict[str, Any]] = []
        self.rates: List[Any] = []
        self.networks: List[Any] = []
        self.options: Dict[str, Any] = {}

    def taken(self, returned: Any) -> Parts:
        """These, with what was returned."""
        self.take(returned)
        return self

    @property
    def is_rates_alone(self) -> bool:
        """Whether rates were returned in place of an optimizer."""
        return len(self.rates) == 1 and not self.optimizers and not self.schedulers

    @property
    def is_empty(self) -> bool:
        """Whether nothing but None and networks was returned."""
        return not (self.optimizers or self.schedulers or self.rates or self.options)

    def take(self, value: Any, where: str = "", allowed: Tuple[str, ...] = ANY) -> None:
        """Add a value that stands at `where`, and all that it holds."""
        kind = self._kind(value)
        mapping = as_mapping(value) if kind is None else None
        if value is None:
            return
        if kind is not None and kind in allowed:
            self._add(kind, value)
        elif mapping is not None and where and SCHEDULER in mapping and OPTIMIZER not in mapping:
            self._take_settings(mapping, where)
        elif mapping is not None and allowed == ANY:
            self._take_mapping(mapping, where)
        elif kind is None and _is_list(value):
            for number, each in enumerate(value):
                self.take(each, "%s[%d]" % (where, number), allowed)
        elif allowed != ANY:
            raise Unusable(
                "%s returned %s at %s, where %s is expected"
                % (self.source, kind_of(value), where, EXPECTED_AT[allowed[0]]),
                LEAVE_OUT,
            )
        elif where:
            raise Unusable(
                "%s returned %s at %s, which is not used: %s"
                % (self.source, kind_of(value), where, why_unused(value)),
                LEAVE_OUT,
            )
        else:
            raise Unusable(
                "%s returned %s; an optimizer was expected" % (self.source, kind_of(value)),
                EXPECTED,
            )

    def _kind(self, value: Any) -> Optional[str]:
        if isinstance(value, self.kinds.optimizers):
            return OPTIMIZER
        if isinstance(value, self.kinds.schedules) or rates_of(value, self.kinds):
            return RATES
        if is_scheduler(value):
            return SCHEDULER
        return NETWORK if isinstance(value, self.kinds.networks) else None

    def _add(self, kind: str, value: Any) -> None:
        of_kind = {
            OPTIMIZER: self.optimizers,
            SCHEDULER: self.schedulers,
            RATES: self.rates,
            NETWORK: self.networks,
        }
        of_kind[kind].append(value)
        if kind == SCHEDULER:
            self.settings.append({})

    def _take_mapping(self, mapping: Mapping[Any, Any], where: str) -> None:
        known = {*KEYS, *OPTIONS, "monitor"}
        self._check_keys(mapping, where, known)
        for key, value in mapping.items():
            place = "%s[%r]" % (where, key)
            if key in KEYS:
                self.take(value, place, KEYS[key])
            elif value is not None and key in OPTIONS:
                if key in self.options:
                    raise Unusable("%s returned %r twice" % (self.source, key), LEAVE_OUT)
                self.options[key] = value

    def _take_settings(self, mapping: Mapping[Any, Any], where: str) -> None:
        self._check_keys(mapping, where, {SCHEDULER, *SETTINGS, *LABELS})
        count = len(self.schedulers)
        self.take(mapping[SCHEDULER], "%s['scheduler']" % where, (SCHEDULER,))
        if len(self.schedulers) != count + 1:
            raise Unusable(
                "%s returned %s at %s['scheduler'], where one scheduler was expected"
                % (self.source, kind_of(mapping[SCHEDULER]), where),
                LEAVE_OUT,
            )
        given = {key: mapping[key] for key in SETTINGS if mapping.get(key) is not None}
        scheduler, place = self.schedulers[-1], where + "[%r] is %s"
        if given.get("interval", "epoch") not in ("epoch", "step"):
            what = place % ("interval", shown(given["interval"]))
            raise Unusable(what, "say 'epoch' or 'step'")
        frequency = given.get("frequency", 1)
        if type(frequency) is not int or frequency < 1:
            raise Unusable(place % ("frequency", shown(frequency)), "say a whole number from 1 on")
        if "reduce_on_plateau" in given and given["reduce_on_plateau"] != wants_metric(scheduler):
            raise Unusable(
                place % ("reduce_on_plateau", shown(given["reduce_on_plateau"]))
                + ", and %s.step() takes %s"
                % (name_of(scheduler), "metrics" if wants_metric(scheduler) else "no metrics"),
                "leave 'reduce_on_plateau' out",
            )
        if given.get("opt_idx", 0) != 0:
            raise Unusable(place % ("opt_idx", shown(given["opt_idx"])), ONE_OPTIMIZER)
        self.settings[-1] = given

    def _check_keys(self, mapping: Mapping[Any, Any], where: str, known: set[str]) -> None:
        unknown = [shown(key) for key in mapping if not (isinstance(key, str) and key in known)]
        if not unknown:
            return
        place = " at %s" % where.lstrip(".") if where else ""
        raise Unusable(
            "%s returned a mapping with the unknown key%s %s%s; known are %s"
            % (
                self.source,
                "s" if len(unknown) > 1 else "",
                ", ".join(unknown),
                place,
                ", ".join(sorted(known)),
            ),
            "rename what has another name here, and leave out what the rates do not depend on",
        )


class Made:
    """What `build` returned, ready to be stepped.

    `when` has one entry for each scheduler; `metrics` gives the metric of a scheduler's n-th step;
    `save` and `load` are the script's own way to resume.
    """

    def __init__(self, optimizer: Any, parts: Parts, asked: Optional[str]) -> None:
        self.optimizer = optimizer
        self.schedulers = parts.schedulers
        self.options = parts.options
        self.when = _when(parts, asked)
        self.metrics: Any = parts.options.get("metrics")
        self.save: Any = parts.options.get("save")
        self.load: Any = parts.options.get("load")
        self.held = "float64"
        """In which precision rates are held that were returned in place of an optimizer."""
        self.is_own = True
        """Whether the optimizer is the script's own."""
        self.stepped = [0 for _ in self.schedulers]
        self._check(parts.kinds)

    def _check(self, kinds: Kinds) -> None:
        wanting = [s for s in self.schedulers if wants_metric(s)]
        if self.metrics is None and wanting:
            raise Unusable(
                "%s.step() wants a metric" % name_of(wanting[0]),
                "let build return a mapping with 'metrics', a list or a function of the number of "
                "steps made",
            )
        if self.metrics is not None and not wanting:
            raise Unusable(
                "build returned 'metrics', and no scheduler whose step() takes them", LEAVE_OUT
            )
        if not (self.metrics is None or callable(self.metrics) or _is_list(self.metrics)):
            raise Unusable(
                "'metrics' is %s" % kind_of(self.metrics),
                "make it a list, or a function of the number of steps made",
            )
        for one, other in (("save", "load"), ("load", "save")):
            if one in self.options and not callable(self.options.get(other)):
                raise Unusable(
                    "build returned %r without a function %r" % (one, other),
                    "return both, so that load(save()) resumes the training",
                )
        for number, scheduler in enumerate(self.schedulers):
            if any(scheduler is other for other in self.schedulers[:number]):
                raise Unusable("build returned the same %s twice" % name_of(scheduler), LEAVE_OUT)
            drives = getattr(scheduler, "optimizer", None)
            if isinstance(drives, kinds.optimizers) and drives is not self.optimizer:
                raise Unusable(
                    "%s drives another optimizer than the one that build returned"
                    % name_of(scheduler),
                    "return the optimizer that the scheduler was made for",
                )

    def check_complete(self, made: List[Any]) -> None:
        """Refuse a scheduler that was `made` for the optimizer, and that nothing will step."""
        hooks = [v for k, v in vars(self.optimizer).items() if "hooks" in k]
        reached = reached_from([*self.schedulers, hooks])
        for scheduler in made:
            drives = getattr(scheduler, "optimizer", None)
            if drives is self.optimizer and id(scheduler) not in reached:
                raise Unusable(
                    "the script made a %s for its optimizer, and build did not return it, so that "
                    "it would never be stepped" % name_of(scheduler),
                    "return it beside the optimizer, or do not make it",
                )

    def check_used(self, made: List[Any]) -> None:
        """Refuse an optimizer that `load` made, and that neither it nor `build` returned."""
        for optimizer in made:
            if optimizer is not self.optimizer and self.is_own:
                raise Unusable(
                    "'load' made %s that it did not return" % kind_of(optimizer),
                    "let it return what the training goes on with, as build does",
                )

    def check_resumable(self, script: Any, stateless: List[Any]) -> None:
        """Refuse to begin what cannot be resumed, since `stateless` have no state to save."""
        if script.resumes_by_itself and self.load is not None:
            raise Unusable(
                "build takes start_step and returns 'load'", "resume in one of these ways"
            )
        if stateless and not script.resumes_by_itself and self.load is None:
            raise Unusable(
                "it cannot be resumed: %s has no state to save" % name_of(stateless[0]),
                "let build take start_step, or return a mapping with 'save' and 'load'",
            )

    def advance(self, done: int, steps_per_epoch: int) -> bool:
        """Step each scheduler that is due after `done` updates; whether any was."""
        stepped = False
        for number, scheduler in enumerate(self.schedulers):
            if not self.when[number].is_due(done, steps_per_epoch):
                continue
            scheduler.step(*self._metric(scheduler, self.stepped[number]))
            self.stepped[number] += 1
            stepped = True
        return stepped

    def _metric(self, scheduler: Any, count: int) -> List[Any]:
        if not wants_metric(scheduler):
            return []
        if callable(self.metrics):
            return [self.metrics(count)]
        if count >= len(self.metrics):
            raise Unusable(
                "'metrics' has %d entries, and %s is stepped once more"
                % (len(self.metrics), name_of(scheduler)),
                "give a metric for each step",
            )
        return [self.metrics[count]]


def one_optimizer(parts: Parts) -> Any:
    """The optimizer, which is the only one."""
    if len(parts.optimizers) > 1:
        names = ", ".join(map(name_of, parts.optimizers))
        raise Unusable(
            "%s returned %d optimizers (%s)" % (parts.source, len(parts.optimizers), names),
            ONE_OPTIMIZER,
        )
    if not parts.optimizers:
        there = [*parts.networks, *parts.schedulers, *parts.rates]
        what = ", ".join(map(kind_of, there)) or "None"
        raise Unusable("%s returned %s; an optimizer was expected" % (parts.source, what), EXPECTED)
    if parts.rates:
        raise Unusable(
            "%s returned rates (%s) beside an optimizer, which does not use them"
            % (parts.source, kind_of(parts.rates[0])),
            "give them to the optimizer as its learning rate",
        )
    return parts.optimizers[0]


def reread(kinds: Kinds, returned: Any, loaded: Any, options: Dict[str, Any]) -> Parts:
    """What a training goes on with: what `load` returned, or what build's own now holds.

    What `load` does not say again of its options is as `build` said it.
    """
    parts = Parts(kinds, "load").taken(loaded)
    if parts.is_empty:
        parts = Parts(kinds).taken(returned)
    parts.options = {**options, **parts.options}
    return parts


def check_resumed(old: Made, new: Made) -> None:
    """A training that goes on in a new process has new objects of the same kinds; so is it here."""
    before = [old.optimizer, *old.schedulers]
    after = [new.optimizer, *new.schedulers]
    for part in after:
        if any(part is other for other in before):
            raise Unusable(
                "build returned the same %s again" % name_of(part),
                "to resume, let it make a new one with each call",
            )
    if len(before) != len(after):
        raise Unusable(
            "the training was resumed with %d schedulers, and had %d before"
            % (len(new.schedulers), len(old.schedulers)),
            "return as many after each start",
        )


def _when(parts: Parts, asked: Optional[str]) -> List[When]:
    """When each scheduler is stepped; what the command line asks goes first."""
    per, count = parts.options.get("per"), len(parts.schedulers)
    words = [per] * count if per is None or isinstance(per, str) else per
    given = [per] if isinstance(per, str) else words
    if not _is_list(words) or len(words) != count or any(w not in _UNITS for w in given):
        raise Unusable(
            "'per' is %s" % shown(per),
            "say 'epoch' or 'step', or a list of them, one for each of the %d schedulers" % count,
        )
    if per is not None and not count:
        raise Unusable("build returned 'per', and no scheduler", LEAVE_OUT)
    if per is not None and any("interval" in settings for settings in parts.settings):
        raise Unusable("build returned both 'per' and 'interval'", "say it once")
    return [
        When(asked or word or settings.get("interval", "epoch"), settings.get("frequency", 1))
        for word, settings in zip(words, parts.settings)
    ]


_UNITS = ("epoch", "step", None)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def as_mapping(value: Any) -> Optional[Mapping[Any, Any]]:
    """A mapping, a dataclass or a named tuple as a mapping; None if it is something else."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    return None


def rates_of(value: Any, kinds: Kinds) -> Optional[Tuple[List[float], str]]:
    """Numbers, and the coarsest precision in which one of them is held."""
    if isinstance(value, kinds.tensor):
        return (kinds.floats(value), precision_of(value)) if _is_vector(value.shape) else None
    if isinstance(value, np.ndarray):
        is_number = value.dtype.kind in "fiu" or precision_of(value) == "bfloat16"
        if not is_number or not _is_vector(value.shape):
            return None
        return [float(rate) for rate in value.ravel()], precision_of(value)
    if not isinstance(value, (list, tuple)) or not value:
        return None
    found = [_rate_of(each, kinds) for each in value]
    rates = [each for each in found if each is not None]
    if len(rates) < len(found):
        return None
    return [rate for rate, _ in rates], coarsest(precision for _, precision in rates)


def _is_vector(shape: Any) -> bool:
    return len(shape) < 2 and 0 not in tuple(shape)


def _rate_of(value: Any, kinds: Kinds) -> Optional[Tuple[float, str]]:
    if isinstance(value, kinds.tensor) and not tuple(value.shape):
        return kinds.floats(value)[0], precision_of(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number, np.ndarray)):
        return None
    if isinstance(value, np.ndarray) and value.shape:
        return None
    return float(value), precision_of(value)


def precision_of(value: Any) -> str:
    """The format in which a number, an array or a tensor is held."""
    name = str(getattr(value, "dtype", "float64")).rpartition(".")[2].lower()
    return name if name in DIGITS else "float64"


def coarsest(precisions: Any) -> str:
    """The one with the fewest digits."""
    found: str = min(precisions, key=lambda name: DIGITS[name])
    return found


def held_by(value: Any, kinds: Kinds) -> str:
    """The precision in which an optimizer was given its rate, or the rates of a list."""
    found = rates_of(value, kinds) or _rate_of(value, kinds)
    return found[1] if found else "float64"


def is_scheduler(value: Any) -> bool:
    """Whether it can be stepped as one; a scheduler of one's own need not derive from theirs."""
    step = getattr(value, "step", None)
    if not callable(step) or hasattr(value, "zero_grad") or isinstance(value, type):
        return False
    return not _asked_for(step) - {"metrics"}


def _asked_for(function: Any) -> set[str]:
    """The parameters that it cannot be called without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name for p in parameters if p.default is p.empty and p.kind not in optional}


def wants_metric(scheduler: Any) -> bool:
    """Whether its `step` takes the metric that it watches."""
    return "metrics" in inspect.signature(scheduler.step).parameters


def why_unused(value: Any) -> str:
    """Why an object is not used."""
    step = getattr(value, "step", None)
    if callable(step) and hasattr(value, "zero_grad"):
        return "it steps like an optimizer, and is not one of the framework's"
    if callable(step) and not isinstance(value, type):
        return "its step() asks for %s" % ", ".join(sorted(_asked_for(step)))
    return "it is not an optimizer, a scheduler, rates or a network"


def without_state(parts: List[Any]) -> List[Any]:
    """Those of the parts that have no `state_dict`, or cannot load one."""
    names = ("state_dict", "load_state_dict")
    return [part for part in parts if not all(callable(getattr(part, n, None)) for n in names)]


def name_of(value: Any) -> str:
    """The name of its class."""
    return type(value).__name__


def kind_of(value: Any) -> str:
    """What it is, by the package and the name of its type; a plain value as it is written."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return shown(value)
    package = str(getattr(type(value), "__module__", "")).partition(".")[0]
    return name_of(value) if package in ("builtins", "") else "%s's %s" % (package, name_of(value))


def shown(value: Any) -> str:
    """As it is written, in short; a value whose text cannot be had by its type."""
    try:
        text = repr(value)
    except BaseException:  # an object's own text may raise anything
        text = "<%s>" % name_of(value)
    return text if len(text) <= 80 else text[:77] + "..."


def remember(base: Any, made: List[Any]) -> None:
    """Keep every object that derives from `base` from now on."""

    def remembering(cls: Any, *_: Any, **__: Any) -> Any:
        new = super(base, cls).__new__(cls)
        made.append(new)
        return new

    base.__new__ = staticmethod(remembering)


def reached_from(roots: List[Any]) -> set[int]:
    """The ids of what the roots hold, call or step."""
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        value = todo.pop()
        if id(value) in seen or isinstance(value, (str, bytes, int, float, types.ModuleType)):
            continue
        seen.add(id(value))
        todo.extend(_held_by(value))
    return seen


def _held_by(value: Any) -> List[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, types.MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
        names = value.__code__.co_names
        return cells + [value.__globals__[n] for n in names if n in value.__globals__]
    if isinstance(value, type):
        return [v for v in vars(value).values() if isinstance(v, types.FunctionType)]
    held = list(vars(value).values()) if hasattr(value, "__dict__") else []
    package = str(type(value).__module__).partition(".")[0]
    return held if package in ("torch", "mindspore", "builtins") else [*held, type(value)]


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
