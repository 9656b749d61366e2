"""What schedule a call makes: the catalogue's way from a schedule to a call, gone backwards.

Where the catalogue gives an argument as a family's parameter, it is read as that; the few others
stand here. What was read is expressed again by the catalogue and has to give the same arguments.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from harness.case import ScheduleCase
from harness.catalogue import IMPLEMENTATIONS, Call, Kind, Made, Training, Unsupported, express
from harness.catalogue.mapping import mappings
from harness.catalogue.rows import EXPERIMENTAL, NN, TORCH
from harness.errors import Untranslatable
from harness.reference import FAMILIES, Schedule
from harness.traces.gathered import MAX_STEPS
from harness.translation.course import EPOCH, UPDATE
from harness.translation.expressions import applied, needed, value
from harness.translation.scopes import NotLiteral, short
from harness.translation.signatures import REMOVED, REQUIRED, SIGNATURES, Unbound, bind
from harness.translation.source import Written
from harness.translation.tabulated import Tabulated

MAX_FACTORS = 10_000_000
"""Counts of a user's function, each worked out from its syntax tree."""
MAX_TABLE = 2_000
"""Counts of a user's function that is a part of a composition."""
_TUNED = {"cycle_momentum", "base_momentum", "max_momentum"}
_OPTIMIZER_RATES = {
    "torch.optim": {
        **dict.fromkeys(("SGD", "Adam", "AdamW", "SparseAdam", "RAdam"), 1e-3),
        **dict.fromkeys(("RMSprop", "Adagrad", "ASGD", "Rprop"), 1e-2),
        **{"Adamax": 2e-3, "NAdam": 2e-3, "Adadelta": 1.0, "LBFGS": 1.0},
    },
    "mindspore.experimental.optim": {"Adam": 1e-3, "AdamW": 1e-3},
}
"""The rates that optimizers have by default."""


@dataclass(frozen=True)
class Length:
    """How long the training is, as far as that is said: in updates, and updates in an epoch.

    `is_said` tells whether the updates in an epoch were given, and are not only taken for 1.
    """

    updates: int | None
    steps_per_epoch: int
    per_step: bool
    is_said: bool = False


@dataclass(frozen=True)
class Original:
    """What is to be written anew.

    `call` is what its API is given; None where that is a function of the user's. `tells` are
    remarks on how it was read; `differences` say with file and line why the script's rates are
    others than those of the call, or may be; `optimizer` what its optimizer has that the code does
    not show.
    """

    api: str
    text: str
    place: str
    family: str
    schedule: Schedule
    training: Training
    call: Call | None
    tells: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    optimizer: str = ""

    @property
    def framework(self) -> str:
        """Whose it is."""
        return self.api.partition(".")[0]

    @property
    def counts(self) -> int:
        """Values that the schedule's count takes in the training."""
        length = self.training.steps_per_epoch if self.schedule.per_epoch else 1
        return -(-self.training.updates // length)


@dataclass
class _Reader:
    """One call, with everything that its arguments may refer to."""

    written: Written
    length: Length
    lr: float | None
    tells: list[str] = field(default_factory=list)
    differences: list[tuple[int, str]] = field(default_factory=list)

    def fail(self, node: ast.AST, what: str) -> Untranslatable:
        return Untranslatable(self.written.at(node), what)

    def literal(self, name: str, node: ast.expr) -> Any:
        try:
            return value(node, self.written.names)
        except NotLiteral as error:
            raise self.unknown(name, error) from None

    def unknown(self, name: str, error: NotLiteral) -> Untranslatable:
        what = f"{name}: {error.what}"
        if error.unknown:
            what += f"; to say what it is: --set {error.unknown}=VALUE"
        elif self.written.file:
            name = _name(self.written.api)
            what += f"; give the call with what it is instead: conform migrate '{name}(...)'"
        return self.fail(error.node if hasattr(error.node, "lineno") else self.written.node, what)

    def resolved(self, name: str, node: ast.expr) -> Any:
        """What a name stands for, of an argument that needs no value; anything else itself."""
        if self.written.names.scopes is None or not isinstance(node, ast.Name | ast.Attribute):
            return self.written.resolved(node)
        try:
            return self.written.names.of(node)
        except NotLiteral as error:
            raise self.unknown(name, error) from None

    def bound(self, node: ast.Call, api: str) -> dict[str, ast.expr]:
        try:
            bound = bind(api, node)
        except Unbound as error:
            raise self.fail(node, f"{api.rpartition('.')[2]} {error}") from None
        for name in REMOVED:
            if name in bound and name not in SIGNATURES[api]:
                del bound[name]
                tell = f"dropped: {name}, which newer versions do not have; it changes no rate"
                self.tells += [tell] if tell not in self.tells else []
        if "last_epoch" in bound and self.literal("last_epoch", bound["last_epoch"]) != -1:
            raise self.fail(
                bound["last_epoch"], "last_epoch: migrate the schedule from its beginning, -1"
            )
        return bound


def read(written: Written, length: Length, lr: float | None) -> Original:
    """The schedule that a call makes.

    Args:
        written: the call.
        length: of the training.
        lr: the rate that the optimizer is made with, where a scheduler wraps one.

    Raises:
        Untranslatable: an argument cannot be known without running it, is missing, or means
            something that no schedule of the catalogue has.
    """
    reader = _Reader(written, length, lr)
    node, api = written.node, written.api
    if api == "mindspore.train.LearningRateScheduler" or api.endswith(".LearningRateSchedule"):
        raise reader.fail(
            node,
            f"{_name(api)} holds code of the user's own: give its schedule as a LambdaLR, conform "
            "migrate --from mindspore 'LambdaLR(lr_lambda=lambda t: ...)'",
        )
    bound = reader.bound(node, api)
    wraps = IMPLEMENTATIONS[api].kind is Kind.SCHEDULER
    per_epoch = wraps and not length.per_step
    if api == "mindspore.train.ReduceLROnPlateau":
        per_epoch = True
    updates, steps_per_epoch = _lengths(reader, bound, length)
    base_lr = _base_lr(reader, bound, api)
    if lr is not None and base_lr != lr:
        reader.tells.append(f"--lr {lr!r} counts for nothing: the rates are those of the call")
    unit = "epochs" if per_epoch else "updates"
    training = Training(updates, steps_per_epoch)
    if "step_per_epoch" in bound:
        unit = "epochs" if steps_per_epoch > 1 else "updates"
    counts = -(-updates // (steps_per_epoch if unit == "epochs" else 1))
    if updates > MAX_STEPS:
        raise Untranslatable(
            written.place,
            f"a training of {updates:,} updates: {MAX_STEPS:,} are the most that fit into memory",
        )
    family, parameters, source = _parameters(reader, api, bound, base_lr, unit, counts)
    model: type[Schedule] = Tabulated if source is not None else FAMILIES[family]
    if family == "exponential":
        parameters[f"decay_{'epochs' if unit == 'epochs' else 'steps'}"] = parameters.pop("every")
    else:
        parameters["counted_in"] = unit
    try:
        schedule = model.model_validate(
            {"base_lr": base_lr, **parameters, **({"source": source} if source else {})}
        )
    except ValidationError as error:
        raise reader.fail(node, f"{_name(api)}: {_fault(error)}") from None
    if wraps:
        _check_unit(reader, length)
    _check_optimizer(reader, lr)
    for name, (line, other) in written.names.contradicted.items():
        what = f"the script has {name} = {other!r}, and --set says {written.names.given[name]!r}"
        reader.differences.append((line, what))
    call = None if source is not None else _again(reader, api, bound, family, schedule, training)
    remarks = written.course.remarks if written.course is not None else ()
    differences = sorted({*reader.differences, *((r.line, r.what) for r in remarks)})
    return Original(
        api,
        written.text,
        written.place,
        family,
        schedule,
        training,
        call,
        tuple(reader.tells),
        tuple(f"{written.file}:{line}: {what}" for line, what in differences),
        _others_of_optimizer(written),
    )


def _check_unit(reader: _Reader, length: Length) -> None:
    """Whether the script steps the schedule as often as it was said."""
    course, line = reader.written.course, reader.written.node.lineno
    if course is None:
        return
    every = length.steps_per_epoch
    if course.unit == UPDATE and not length.per_step and every > 1:
        what = "the script steps the schedule after each update: add --per-step"
        reader.differences.append((line, what))
    if course.unit == EPOCH and length.per_step and (every > 1 or not length.is_said):
        what = "the script steps the schedule once an epoch: leave --per-step out"
        reader.differences.append((line, what))
    elif course.unit == EPOCH and not length.is_said:
        what = "the script steps the schedule once an epoch: give --steps-per-epoch"
        reader.differences.append((line, what))
    if course.unit == EPOCH and length.is_said and course.passes not in {None, every}:
        what = f"an epoch of the script has {course.passes:,} updates, not {every:,}"
        reader.differences.append((line, what))


def _check_optimizer(reader: _Reader, lr: float | None) -> None:
    """Whether the script's optimizer has one rate, and the one that was given."""
    written = reader.written
    made = written.course.optimizer if written.course is not None else None
    if made is None:
        return
    given = next((k.value for k in made.keywords if k.arg == "params"), None)
    parameters = given or next(iter(made.args), None)
    groups = _groups(written, parameters) if parameters is not None else UNKNOWN
    if groups == RATES:
        what = f"`{short(made)}` gives groups rates of their own; the code has one group"
        reader.differences.append((made.lineno, what))
    elif groups == UNKNOWN:
        what = f"`{short(parameters or made)}` may give groups rates of their own"
        reader.differences.append((made.lineno, what))
    if any(keyword.arg is None for keyword in made.keywords) or any(
        isinstance(argument, ast.Starred) for argument in made.args
    ):
        what = f"`{short(made)}` is given what is not written out, and may have another rate"
        reader.differences.append((made.lineno, what))
    if lr is not None and IMPLEMENTATIONS[written.api].kind is Kind.SCHEDULER:
        node = _rate_of(made)
        try:
            rate = value(node, written.names) if node is not None else _default_rate(written)
        except NotLiteral:
            return
        if rate is not None and rate != lr:
            what = f"the script's optimizer has lr {rate!r}, and --lr says {lr!r}"
            reader.differences.append((made.lineno, what))


ONE, SEVERAL, RATES, UNKNOWN = "one", "several", "rates", "unknown"


def _groups(written: Written, node: ast.expr) -> str:
    """The parameter groups of an optimizer: one, several, or some with rates of their own."""
    node = written.resolved(node)
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return _worst([_group(written, item) for item in items])
        case (
            ast.ListComp(elt=element, generators=[generator])
            | ast.GeneratorExp(elt=element, generators=[generator])
        ):
            if isinstance(element, ast.Name):
                return _groups(written, generator.iter)
            return _group(written, element)
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in _PARAMETERS:
            return ONE
        case ast.Call(func=ast.Name(id="filter" | "list" | "tuple" | "iter"), args=[*_, last]):
            return _groups(written, last)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _worst([_groups(written, left), _groups(written, right)])
    return UNKNOWN


_PARAMETERS = {"parameters", "named_parameters", "trainable_params", "get_parameters"}
_TENSORS = {"Parameter", "Tensor", "tensor", "zeros", "ones", "empty", "full", "rand", "randn"}


def _group(written: Written, node: ast.expr) -> str:
    node = written.resolved(node)
    if isinstance(node, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        if None in keys:
            return UNKNOWN
        return RATES if {"lr", "learning_rate"} & set(keys) else SEVERAL
    if isinstance(node, ast.Call) and _name(ast.unparse(node.func)) in _TENSORS:
        return ONE
    is_weight = isinstance(node, ast.Attribute) and node.attr in {"weight", "bias"}
    return ONE if is_weight else UNKNOWN


def _worst(groups: list[str]) -> str:
    return max(groups, key=[ONE, SEVERAL, UNKNOWN, RATES].index, default=ONE)


def _others_of_optimizer(written: Written) -> str:
    """What the script's optimizer is, unless it is the plain SGD that the code shows."""
    if written.course is None:
        return ""
    made = written.course.optimizer
    if made is None:
        return f"{written.file}: the script's optimizer is not known"
    plain = {"params", "lr", "learning_rate"}
    others = [k for k in made.keywords if k.arg not in plain]
    parameters = next((k.value for k in made.keywords if k.arg == "params"), None)
    first = parameters or next(iter(made.args), None)
    one = first is not None and _groups(written, first) == ONE
    if _name(written.optimizer_class) == "SGD" and not others and len(made.args) <= 2 and one:
        return ""
    text = " ".join(ast.unparse(made).split())
    return f"{written.file}:{made.lineno}: the script's optimizer is {text}"


def _name(api: str) -> str:
    return api.rpartition(".")[2]


def _fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else fault["msg"]


def ends_at(written: Written) -> int | None:
    """After how many updates there is no rate any more: of a list, whose call says it.

    Raises:
        Untranslatable: its arguments are not its own, or cannot be known.
    """
    reader = _Reader(written, Length(None, 1, False), None)
    if written.api not in SIGNATURES:
        return None
    return _end(reader, reader.bound(written.node, written.api))


def _end(reader: _Reader, bound: dict[str, ast.expr]) -> int | None:
    if "step_per_epoch" in bound:
        return _count(reader, "total_step", bound["total_step"])
    if "milestone" in bound:
        milestones = reader.literal("milestone", bound["milestone"])
        if not isinstance(milestones, list) or not milestones:
            raise reader.fail(bound["milestone"], "milestone is no list of updates")
        return _whole(reader, "milestone", bound["milestone"], milestones[-1])
    return None


def _lengths(reader: _Reader, bound: dict[str, ast.expr], length: Length) -> tuple[int, int]:
    """Updates in the training and in an epoch, by the call where it says so."""
    steps_per_epoch, updates, end = length.steps_per_epoch, length.updates, _end(reader, bound)
    if "step_per_epoch" in bound:
        steps_per_epoch = _count(reader, "step_per_epoch", bound["step_per_epoch"])
    if "step_per_epoch" in bound or updates is None:
        updates = end
    if updates is None:
        raise Untranslatable(
            reader.written.place, "how long is the training? Give --steps, or --epochs"
        )
    return updates, steps_per_epoch


def _count(reader: _Reader, name: str, node: ast.expr) -> int:
    return _whole(reader, name, node, reader.literal(name, node))


def _whole(reader: _Reader, name: str, node: ast.expr, count: Any) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise reader.fail(node, f"{name} is {count!r}, where a whole number above 0 is due")
    return count


def _base_lr(reader: _Reader, bound: dict[str, ast.expr], api: str) -> float:
    """The rate that the schedule starts from."""
    for name in ("learning_rate", "base_lr"):
        if name in bound:
            return _rate(reader, name, bound[name])
    if api.startswith(f"{NN}.") and "max_lr" in bound:
        return _rate(reader, "max_lr", bound["max_lr"])
    if "learning_rates" in bound:
        rates = reader.literal("learning_rates", bound["learning_rates"])
        if not isinstance(rates, list) or not rates:
            raise reader.fail(bound["learning_rates"], "learning_rates is no list of rates")
        return _a_rate(reader, "learning_rates", bound["learning_rates"], rates[0])
    if api.endswith(".OneCycleLR"):
        div_factor = (
            reader.literal("div_factor", bound["div_factor"])
            if ("div_factor" in bound)
            else SIGNATURES[api]["div_factor"]
        )
        return _rate(reader, "max_lr", bound["max_lr"]) / float(div_factor)
    if reader.lr is not None:
        return reader.lr
    found = _optimizers_rate(reader, bound.get("optimizer"))
    if found is None and "schedulers" in bound:
        found = _parts_rate(reader, bound["schedulers"])
    if found is None:
        raise Untranslatable(
            reader.written.place, "the rate that the optimizer is made with is not known: give --lr"
        )
    return found


def _rate(reader: _Reader, name: str, node: ast.expr) -> float:
    rate = reader.literal(name, node)
    if isinstance(rate, list) and len(rate) == 1:
        rate = rate[0]
    if isinstance(rate, list):
        raise reader.fail(node, f"{name} is a list: migrate one parameter group at a time")
    return _a_rate(reader, name, node, rate)


def _a_rate(reader: _Reader, name: str, node: ast.expr, rate: Any) -> float:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate):
        raise reader.fail(node, f"{name} is {rate!r}, which is no rate")
    return float(rate)


def _parts_rate(reader: _Reader, schedulers: ast.expr) -> float | None:
    """`lr` of the optimizer that the parts are given."""
    for node in _listed(reader, schedulers):
        made = reader.written.resolved(node)
        api = reader.written.api_of(made)
        if api is not None and "optimizer" in (bound := reader.bound(made, api)):
            return _optimizers_rate(reader, bound["optimizer"])
    return None


def _optimizers_rate(reader: _Reader, node: ast.expr | None) -> float | None:
    """`lr` of the optimizer that the script gives the scheduler."""
    course = reader.written.course
    made = course.optimizer if course is not None else node
    if not isinstance(made, ast.Call):
        return None
    rate = _rate_of(made)
    if rate is not None:
        return _rate(reader, "lr", rate)
    default = _default_rate(reader.written)
    if default is not None:
        reader.tells.append(f"the optimizer's rate is its default, {default!r}")
    return default


def _rate_of(made: ast.Call) -> ast.expr | None:
    """The rate that an optimizer is given."""
    named = next((k.value for k in made.keywords if k.arg in {"lr", "learning_rate"}), None)
    return made.args[1] if named is None and len(made.args) > 1 else named


def _default_rate(written: Written) -> float | None:
    for module, rates in _OPTIMIZER_RATES.items():
        if written.optimizer_class.startswith(f"{module}."):
            return rates.get(_name(written.optimizer_class))
    return None


# From arguments to parameters

Parameters = dict[str, Any]
Read = Callable[[Parameters], tuple[str, Parameters]]


def _exponential(every: str, staircase: bool) -> Read:
    def read(a: Parameters) -> tuple[str, Parameters]:
        length = a.get(every, 1)
        stair = a.get("is_stair", staircase and length != 1)
        return "exponential", {
            "decay_rate": a.get("gamma", a.get("decay_rate")),
            "every": length,
            "staircase": stair,
        }

    return read


def _decay(family: str, every: str, per_unit: bool) -> Read:
    def read(a: Parameters) -> tuple[str, Parameters]:
        rate = a["decay_rate"] * a[every] if per_unit else a["decay_rate"]
        return family, {
            "decay_rate": rate,
            "decay_every": a[every],
            "staircase": a["is_stair"],
        }

    return read


def _warmup(total: str) -> Read:
    return lambda a: (
        "linear",
        {"start_factor": 0.0, "end_factor": 1.0, "total_iters": a[total]},
    )


def _one_cycle(a: Parameters) -> tuple[str, Parameters]:
    total = a["total_steps"]
    if total is None and a["epochs"] is not None and a["steps_per_epoch"] is not None:
        total = a["epochs"] * a["steps_per_epoch"]
    return "one_cycle", {
        "max_lr": a["max_lr"],
        "total_steps": total,
        "pct_start": a["pct_start"],
        "anneal": a["anneal_strategy"],
        "div_factor": a["div_factor"],
        "final_div_factor": a["final_div_factor"],
        "three_phase": a["three_phase"],
    }


def _piecewise(a: Parameters) -> tuple[str, Parameters]:
    return "piecewise", {"milestones": a["milestone"][:-1], "rates_after": a["learning_rates"][1:]}


def _plateau_callback(a: Parameters) -> tuple[str, Parameters]:
    return "plateau", {
        "mode": "min" if a["mode"] == "auto" and "acc" not in a["monitor"] else a["mode"],
        "factor": a["factor"],
        "patience": a["patience"] - 1,
        "threshold": a["min_delta"],
        "threshold_mode": "abs",
        "cooldown": max(0, a["cooldown"] - 1),
        "min_lr": a["min_lr"],
        "eps": 0.0,
    }


_READ: dict[str, Read] = {
    **{
        f"{module}.{name}": how
        for module in (TORCH, EXPERIMENTAL)
        for name, how in (
            ("StepLR", _exponential("step_size", staircase=True)),
            ("ExponentialLR", _exponential("", staircase=False)),
        )
    },
    f"{TORCH}.OneCycleLR": _one_cycle,
    f"{NN}.exponential_decay_lr": _exponential("decay_epoch", staircase=False),
    f"{NN}.ExponentialDecayLR": _exponential("decay_steps", staircase=False),
    f"{NN}.natural_exp_decay_lr": _decay("natural_exponential", "decay_epoch", per_unit=True),
    f"{NN}.NaturalExpDecayLR": _decay("natural_exponential", "decay_steps", per_unit=True),
    f"{NN}.inverse_decay_lr": _decay("inverse_time", "decay_epoch", per_unit=False),
    f"{NN}.InverseDecayLR": _decay("inverse_time", "decay_steps", per_unit=False),
    f"{NN}.warmup_lr": _warmup("warmup_epoch"),
    f"{NN}.WarmUpLR": _warmup("warmup_steps"),
    f"{NN}.piecewise_constant_lr": _piecewise,
    "mindspore.train.ReduceLROnPlateau": _plateau_callback,
}
"""Those whose arguments are no family's parameters under other names."""
_FAMILY = {
    f"{NN}.polynomial_decay_lr": "polynomial",
    f"{NN}.PolynomialDecayLR": "polynomial",
}
"""Which family it is, where the catalogue has several for an API."""


def _renamed(api: str) -> tuple[str, Read]:
    """By the catalogue's terms: each argument is a parameter of the family, under another name."""
    row = next(m for m in mappings(api=api) if m.family == _FAMILY.get(api, m.family))
    fields = FAMILIES[row.family].model_fields
    terms = {argument: term for argument, term in row.parameters.items() if term in fields}

    def read(a: Parameters) -> tuple[str, Parameters]:
        given = {terms[name]: a[name] for name in terms if name in a}
        given.pop("base_lr", None)
        if row.family == "cosine":
            given["periodic"] = not api.startswith(f"{NN}.")
        return row.family, given

    return row.family, read


def _parameters(
    reader: _Reader,
    api: str,
    bound: dict[str, ast.expr],
    base_lr: float,
    unit: str,
    counts: int,
) -> tuple[str, Parameters, str | None]:
    """The family, its parameters, and the source of the user's function where there is one."""
    node = reader.written.node
    if _name(api) in {"LambdaLR", "MultiplicativeLR"}:
        factors, source = _factors(reader, bound["lr_lambda"], counts)
        multiplied = _name(api) == "MultiplicativeLR"
        family = "multiplicative" if multiplied else "lambda"
        return family, {"factors": tuple(factors), "multiplied": multiplied}, source
    if _name(api) in {"SequentialLR", "ChainedScheduler"}:
        return (*_composition(reader, api, bound, base_lr, unit, counts), None)
    if "scale_fn" in bound and not _is_none(bound["scale_fn"]):
        raise reader.fail(bound["scale_fn"], "scale_fn: give a mode, or the schedule as a LambdaLR")
    arguments = _arguments(reader, api, bound)
    family, how = ("", _READ[api]) if api in _READ else _renamed(api)
    try:
        family, parameters = how(arguments)
    except (TypeError, ValueError, IndexError) as error:
        raise reader.fail(node, f"{_name(api)}: {error}") from None
    if family == "cyclic" and parameters.get("policy") != "exp_range":
        parameters.pop("gamma", None)
    if family == "one_cycle":
        _check_total(reader, parameters["total_steps"], counts)
    if family == "plateau":
        parameters["metrics"] = _metrics(counts, parameters)
        if isinstance(parameters["min_lr"], int):
            parameters["min_lr"] = float(parameters["min_lr"])
    if _TUNED & set(arguments) and arguments.get("cycle_momentum"):
        reader.tells.append(
            "with cycle_momentum, torch's default, the optimizer's momentum moves too, against the "
            "rate; nothing in MindSpore does that, and cycle_momentum=False compares like with like"
        )
    return family, parameters, None


def _check_total(reader: _Reader, total: Any, counts: int) -> None:
    """What is beyond the end of a OneCycleLR, torch refuses."""
    length = reader.length
    if isinstance(total, int) and counts > total:
        raise reader.fail(
            reader.written.node,
            f"total_steps is {total:,}, and the training calls step() {counts:,} times, which "
            "torch refuses",
        )
    if not length.per_step and total == length.updates and length.steps_per_epoch > 1:
        reader.tells.append(
            f"total_steps is {total:,}, the number of updates: if the script steps it after each "
            "update, add --per-step"
        )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _arguments(reader: _Reader, api: str, bound: dict[str, ast.expr]) -> dict[str, Any]:
    """Every argument's value, by default where it is not given; without the optimizer."""
    arguments = {
        name: default
        for name, default in SIGNATURES[api].items()
        if default is not REQUIRED and name not in bound
    }
    for name, node in bound.items():
        if name != "optimizer":
            arguments[name] = reader.literal(name, node)
    arguments.pop("optimizer", None)
    arguments.pop("last_epoch", None)
    for name in ("max_lr", "swa_lr", "min_lr"):
        if isinstance(arguments.get(name), list):
            arguments[name] = _rate(reader, name, bound[name])
    return arguments


def _metrics(counts: int, parameters: Parameters) -> list[float]:
    """Metrics that nobody measured: better and better for a tenth of the time, then no more.

    So that the rate falls as often as it can.
    """
    better = max(1, counts // 10)
    sign = 1.0 if parameters.get("mode") == "min" else -1.0
    return [sign * 2.0 ** -min(t, better) + (2.0 if sign < 0 else 0.0) for t in range(counts)]


def _factors(reader: _Reader, node: ast.expr, counts: int) -> tuple[list[float], str]:
    """What the user's function gives at each count, and its source, under the name `factor`."""
    if isinstance(node, ast.List | ast.Tuple) and len(node.elts) == 1:
        node = node.elts[0]
    function = reader.resolved("lr_lambda", node)
    if not isinstance(function, ast.Lambda | ast.FunctionDef):
        raise reader.fail(
            node,
            f"lr_lambda: `{ast.unparse(node)}` would have to be run to be known; write it as a "
            "lambda, or as a function of assignments, if and return",
        )
    names = reader.written.names
    if counts > MAX_FACTORS:
        raise reader.fail(
            node, f"lr_lambda would be called {counts:,} times; {MAX_FACTORS:,} are the most"
        )
    try:
        factors = [applied(function, count, names) for count in range(counts)]
        lines = list(needed(function, names))
    except NotLiteral as error:
        raise reader.unknown("lr_lambda", error) from None
    if isinstance(function, ast.Lambda):
        lines += ["", "", f"def factor({ast.unparse(function.args)}):"]
        lines.append(f"    return {ast.unparse(function.body)}")
    else:
        renamed = ast.parse(ast.unparse(function)).body[0]
        assert isinstance(renamed, ast.FunctionDef)
        renamed.name, renamed.decorator_list = "factor", []
        lines += ["", "", ast.unparse(renamed)]
    return factors, "\n".join(lines).lstrip("\n")


def _composition(
    reader: _Reader,
    api: str,
    bound: dict[str, ast.expr],
    base_lr: float,
    unit: str,
    counts: int,
) -> tuple[str, Parameters]:
    nodes = _listed(reader, bound["schedulers"])
    parts = [_part(reader, node, base_lr, unit, counts) for node in nodes]
    if _name(api) == "ChainedScheduler":
        return "chained", {"parts": parts}
    milestones = reader.literal("milestones", bound["milestones"])
    return "sequential", {"parts": parts, "milestones": milestones}


def _listed(reader: _Reader, node: ast.expr) -> list[ast.expr]:
    found = reader.resolved("schedulers", node)
    if not isinstance(found, ast.List | ast.Tuple):
        raise reader.fail(node, "schedulers is no list that is written out")
    return list(found.elts)


def _part(
    reader: _Reader, node: ast.expr, base_lr: float, unit: str, counts: int
) -> dict[str, Any]:
    made = reader.resolved("schedulers", node)
    api = reader.written.api_of(made)
    if api is None or not isinstance(made, ast.Call):
        raise reader.fail(node, f"`{ast.unparse(node)}` is no scheduler of the catalogue")
    bound = reader.bound(made, api)
    if _name(api) in {"LambdaLR", "MultiplicativeLR"}:
        if counts > MAX_TABLE:
            raise reader.fail(
                node, f"a function of the user's within a composition, beyond {MAX_TABLE:,} counts"
            )
        factors, _ = _factors(reader, bound["lr_lambda"], counts)
        family = "multiplicative" if _name(api) == "MultiplicativeLR" else "lambda"
        return {family: {"function": {"name": "table", "values": factors}}}
    family, parameters, _ = _parameters(reader, api, bound, base_lr, unit, counts)
    if family in {"plateau", "swa", "piecewise"}:
        raise reader.fail(node, f"{_name(api)} as a part is not among what the suite can express")
    if family == "exponential":
        parameters["decay_epochs" if unit == "epochs" else "decay_steps"] = parameters.pop("every")
    if family == "cyclic":
        parameters["base_lr"] = _rate(reader, "base_lr", bound["base_lr"])
    if family in {"sequential", "chained"}:
        parameters.pop("counted_in", None)
    return {family: parameters}


# And back again


def _again(
    reader: _Reader,
    api: str,
    bound: dict[str, ast.expr],
    family: str,
    schedule: Schedule,
    training: Training,
) -> Call:
    """The call that the catalogue makes of what was read: it must be the one that was read."""
    call = express(IMPLEMENTATIONS[api], family, schedule, training)
    node = reader.written.node
    if isinstance(call, Unsupported):
        raise reader.fail(node, f"{_name(api)} {call.reason}")
    if family in {"sequential", "chained"}:
        return call  # its parts were read in the same way, and may be written otherwise
    given = _arguments(reader, api, bound)
    for name, argument in call.arguments.items():
        if name in given and name not in _TUNED and not _same(argument, given[name]):
            if name in {"total_steps", "step_size_down", "total_step", "milestone", "mode"}:
                continue  # as it was given by other words, or ends with the training
            raise reader.fail(
                node, f"{name}: {given[name]!r} is not understood, {argument!r} would be"
            )
    return call


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Made) or isinstance(other, Made):
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=4 * 2.0**-52)
    return bool(one == other)


def of_case(case: ScheduleCase, framework: str) -> Original:
    """The first group's schedule of a case, over the steps that it looks at.

    Args:
        case: the case; what happens in its training beside plain stepping is left out.
        framework: whose schedule it is taken for, by the first API that can express it.
    """
    training = Training(case.training.updates, case.steps_per_epoch)
    where = f"{case.file}:{case.line}"
    apis = [
        row.api
        for row in mappings(family=case.family)
        if IMPLEMENTATIONS[row.api].framework == framework
    ]
    for api in apis:
        call = express(IMPLEMENTATIONS[api], case.family, case.schedule, training)
        if not isinstance(call, Unsupported):
            return Original(api, case.name, where, case.family, case.schedule, training, call)
    # Nobody's call: it is only to be written in the other framework.
    api = apis[0] if apis else f"{framework}.none"
    return Original(api, case.name, where, case.family, case.schedule, training, None)
