"""The ways to write a schedule in the other framework, each as code to paste."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from textwrap import dedent
from typing import Any

from harness.catalogue import (
    IMPLEMENTATIONS,
    Call,
    Form as Rounds,
    Implementation,
    Kind,
    Precision,
    Training,
    Unsupported,
    express,
)
from harness.catalogue.mapping import mappings
from harness.catalogue.rows import EXPERIMENTAL, NN, TORCH
from harness.reference import Exponential, Multiplicative, MultiStep, Piecewise, Schedule
from harness.reference.schedule import Counted
from harness.reproducer.source import call as written_call, names, source
from harness.translation import python
from harness.translation.reading import Original
from harness.translation.tabulated import Tabulated

EXPLICIT = "explicit list"
LINE = 96
"""Characters that a line of the code may have."""
OWN_CELL = f"{NN}.learning_rate_schedule.LearningRateSchedule"

_PER_EPOCH = dedent('''\
    class PerEpoch(LearningRateSchedule):
        """A schedule that counts epochs, for an optimizer that counts updates."""

        def __init__(self, schedule, steps_per_epoch):
            super().__init__()
            self.schedule = schedule
            self.steps_per_epoch = steps_per_epoch

        def construct(self, global_step):
            return self.schedule(global_step // self.steps_per_epoch)
    ''')
_ONE_AFTER_ANOTHER = dedent('''\
    class OneAfterAnother(LearningRateSchedule):
        """The schedule of the present step, called with the steps since its milestone."""

        def __init__(self, schedules, milestones):
            super().__init__()
            self.first = schedules[0]
            self.rest = nn.CellList(schedules[1:])
            self.milestones = milestones

        def construct(self, global_step):
            rate = self.first(global_step)
            for index, schedule in enumerate(self.rest):
                begins = self.milestones[index]
                since = ops.maximum(global_step - begins, 0)
                rate = ops.select(global_step >= begins, schedule(since), rate)
            return rate
    ''')


@dataclass(frozen=True)
class Form:
    """One way to write a schedule.

    Attributes:
        title: the API, or what else it is.
        implementation: how it is driven, and in which precision it computes.
        call: what its API is given, as the budget has to know it.
        before: imports and definitions.
        made: the expression that makes the list, the Cell or the scheduler.
        after: how it is used, where that is more than the optimizer.
        explicit: whether the rates are written out in plain Python.
    """

    title: str
    implementation: Implementation
    call: Call
    before: str
    made: str
    after: str = ""
    explicit: bool = False

    @property
    def kind(self) -> str:
        """list, Cell, scheduler, callback, or explicit list."""
        if self.explicit:
            return EXPLICIT
        return "Cell" if self.implementation.kind is Kind.CELL else self.implementation.kind.value

    @property
    def code(self) -> str:
        """What is to be pasted, with the optimizer that consumes the rates."""
        lr, framework = self.call.base_lr, self.implementation.framework
        optimizers = {
            "torch": f"torch.optim.SGD(network.parameters(), lr={lr})",
            "mindspore": f"optim.SGD(network.trainable_params(), lr={lr})",
        }
        if self.implementation.kind is Kind.SCHEDULER:
            lines = [f"optimizer = {optimizers[framework]}", f"scheduler = {self.made}", self.after]
        elif self.implementation.kind is Kind.CALLBACK:
            optimizer = f"nn.SGD(network.trainable_params(), learning_rate={lr})"
            lines = [f"optimizer = {optimizer}", f"callback = {self.made}", self.after]
        else:
            lines = [
                f"learning_rate = {self.made}",
                "optimizer = nn.SGD(network.trainable_params(), learning_rate)",
            ]
        between = "\n\n\n" if "\n    " in self.before else "\n\n"
        used = "\n".join(_wrapped(line) for line in lines if line)
        return f"{self.before.strip(chr(10))}{between}{used}\n"

    @property
    def module(self) -> str:
        """The same without the optimizer, as a module whose `make` gives what is driven."""
        wraps = self.implementation.kind is Kind.SCHEDULER
        if wraps:
            return f"{self.before}\n\n\ndef make(optimizer):\n    return {self.made}\n"
        made = f"learning_rate = {self.made}"
        return f"{self.before}\n\n{made}\n\n\ndef make():\n    return learning_rate\n"


def _wrapped(line: str) -> str:
    """A statement, its arguments on lines of their own where it would be long."""
    if len(line) <= LINE or line.startswith("#"):
        return line
    target, _, made = line.partition(" = ")
    return f"{target} = {_spread(ast.parse(made, mode='eval').body, made, '')}"


def _spread(node: ast.AST, text: str, margin: str) -> str:
    own = ast.get_source_segment(text, node) or ""
    inner = margin + "    "
    if len(margin) + len(own) <= LINE - 24 or not isinstance(node, ast.Call | ast.List):
        return own
    if isinstance(node, ast.List):
        items = [_spread(item, text, inner) for item in node.elts]
        opening, closing = "[", "]"
    else:
        items = [_spread(item, text, inner) for item in node.args]
        items += [f"{k.arg}={_spread(k.value, text, inner)}" for k in node.keywords]
        opening, closing = f"{ast.unparse(node.func)}(", ")"
    listed = "".join(f"{inner}{item},\n" for item in items)
    return f"{opening}\n{listed}{margin}{closing}"


def forms(original: Original, explicit: bool | None = None) -> tuple[list[Form], dict[str, str]]:
    """The ways to write a schedule in the other framework.

    Args:
        original: what is to be written anew.
        explicit: whether the rates are written out too; by default where nothing fits that an
            optimizer looks up by itself.

    Returns:
        The forms, and why the other APIs of the family cannot express it, by their names.
    """
    framework = "torch" if original.framework == "mindspore" else "mindspore"
    found: list[Form] = []
    unfit: dict[str, str] = {}
    for schedule, family in _alike(original):
        for row in mappings(family=family):
            implementation = IMPLEMENTATIONS[row.api]
            if implementation.framework != framework or isinstance(schedule, Tabulated):
                continue
            form = _of_catalogue(original, implementation, family, schedule)
            if isinstance(form, Unsupported):
                unfit.setdefault(row.api, form.reason)
            elif all(f.code != form.code for f in found):
                found.append(form)
                unfit.pop(row.api, None)
    if isinstance(original.schedule, Tabulated):
        found.append(_with_function(original, framework))
    for form in found:
        unfit.pop(form.title, None)
    looked_up = any(f.implementation.kind is Kind.LIST for f in found)
    if framework == "torch":
        looked_up = bool(found)
    if (not looked_up if explicit is None else explicit) and original.family != "plateau":
        found.append(_explicit(original, framework))
    return sorted(found, key=_order), unfit


def _order(form: Form) -> tuple[int, bool]:
    """What needs no stepping comes first, and of schedulers those stepped once an epoch."""
    kinds = ["list", EXPLICIT, "Cell", "scheduler", "callback"]
    return kinds.index(form.kind), not form.call.per_epoch


def original_form(original: Original) -> Form | None:
    """The original itself, to be driven as it is written; None where it has no call of its own."""
    if original.call is None:
        if not isinstance(original.schedule, Tabulated):
            return None
        return _with_function(original, original.framework)
    return _called(IMPLEMENTATIONS[original.api], original.call)


def _alike(original: Original) -> Iterator[tuple[Schedule, str]]:
    """The schedule, and the same in other terms: per epoch, with equal factors."""
    schedule, family = original.schedule, original.family
    every = original.training.steps_per_epoch
    yield schedule, family
    if isinstance(schedule, Piecewise) and (even := _with_equal_factors(schedule)):
        yield even, "multistep"
        schedule, family = even, "multistep"
    if original.framework == "mindspore" and every > 1 and not schedule.per_epoch:
        slow = _per_epoch(schedule, every)
        if slow is not None:
            yield slow, family


def _with_equal_factors(schedule: Piecewise) -> MultiStep | None:
    rates = [schedule.base_lr, *schedule.rates_after]
    if len(rates) < 2 or 0 in rates:
        return None
    gamma = float(f"{rates[1] / rates[0]:.12g}")
    if any(abs(b - a * gamma) > 1e-15 * abs(b) for a, b in pairwise(rates)):
        return None
    return MultiStep(
        base_lr=schedule.base_lr,
        gamma=gamma,
        milestones=schedule.milestones,
        counted_in=schedule.counted_in,
    )


def _per_epoch(schedule: Schedule, every: int) -> Schedule | None:
    """A schedule in updates that changes between epochs only, counted in epochs."""
    if isinstance(schedule, Exponential) and schedule.staircase:
        if schedule.decay_every % every:
            return None
        epochs = schedule.decay_every // every
        return Exponential(
            base_lr=schedule.base_lr,
            decay_rate=schedule.decay_rate,
            decay_epochs=epochs,
            staircase=epochs > 1,
        )
    if isinstance(schedule, MultiStep) and not any(m % every for m in schedule.milestones):
        return schedule.model_copy(
            update={
                "milestones": [m // every for m in schedule.milestones],
                "counted_in": "epochs",
            }
        )
    return None


def _of_catalogue(
    original: Original, implementation: Implementation, family: str, schedule: Schedule
) -> Form | Unsupported:
    training = original.training
    call = express(implementation, family, schedule, training)
    if isinstance(call, Unsupported) and implementation.kind is Kind.CELL and schedule.per_epoch:
        wrapped = _in_epochs(original, implementation, family, schedule)
        return wrapped or call
    if isinstance(call, Unsupported):
        return call
    if schedule is not original.schedule and family == "multistep":
        derived = frozenset({"gamma", "base_lr"})
        call = replace(call, realises=schedule, derived=derived)
    return _called(implementation, call)


def _called(implementation: Implementation, call: Call) -> Form:
    api, arguments = implementation.api, dict(call.arguments)
    if api == OWN_CELL:
        before = _cell_imports(arguments) + "\n\n\n" + _ONE_AFTER_ANOTHER
        made = written_call("OneAfterAnother", arguments)
        return Form(OWN_CELL, implementation, call, before, made)
    imports = _imports(api, arguments)
    if implementation.kind is Kind.CALLBACK:
        if "learning_rate_function" in arguments:
            function = source(arguments.pop("learning_rate_function"))
            made = written_call(api, arguments)[:-1]
            made += f"learning_rate_function=lambda rate, step: rate * ({function})(step))"
        else:
            made = written_call(api, {"monitor": "eval_loss", **arguments})
        after = "# model.fit(..., callbacks=[callback])" if call.metrics else ""
        after = after or "# model.train(..., callbacks=[callback])"
        return Form(api, implementation, call, f"from mindspore import nn\n{imports}", made, after)
    if implementation.kind is not Kind.SCHEDULER:
        return Form(
            api, implementation, call, f"from mindspore import nn\n{imports}", _nn(api, call)
        )
    if implementation.framework == "torch":
        imports = f"import torch\n{imports}"
    else:
        imports = f"from mindspore.experimental import optim\n{imports}"
    return Form(api, implementation, call, imports, written_call(api, arguments), _stepped(call))


def _stepped(call: Call) -> str:
    told = "metric" if call.metrics else ""
    return f"# after each {'epoch' if call.per_epoch else 'update'}: scheduler.step({told})"


def _imports(api: str, arguments: dict[str, Any]) -> str:
    return "\n".join(
        f"from {module} import {', '.join(sorted(found))}"
        for module, found in sorted(names(api, arguments).items())
        if module != NN
    )


def _nn(api: str, call: Call) -> str:
    return f"nn.{written_call(api, call.arguments)}"


def _cell_imports(arguments: dict[str, Any]) -> str:
    lines = ["from mindspore import nn, ops"] if arguments else []
    found = names(OWN_CELL, arguments).get(NN, set())
    if found:
        lines.append(f"from mindspore.nn import {', '.join(sorted(found))}")
    lines.append("from mindspore.nn.learning_rate_schedule import LearningRateSchedule")
    return "\n".join(lines)


def _in_epochs(
    original: Original, implementation: Implementation, family: str, schedule: Schedule
) -> Form | None:
    """A Cell that counts updates, told the epochs."""
    if not isinstance(schedule, Counted | Exponential):
        return None
    counts = Training(original.counts, 1)
    if isinstance(schedule, Exponential):
        counted: Schedule = Exponential(
            base_lr=schedule.base_lr,
            decay_rate=schedule.decay_rate,
            decay_steps=schedule.decay_every,
            staircase=schedule.staircase,
        )
    else:
        parts = (
            {"parts": [_part_in_updates(part) for part in schedule.parts]}
            if (hasattr(schedule, "parts"))
            else {}
        )
        counted = schedule.model_copy(update={"counted_in": "updates", **parts})
    call = express(implementation, family, counted, counts)
    if isinstance(call, Unsupported):
        return None
    if implementation.api == OWN_CELL:
        before = "\n\n\n".join(
            part.strip("\n")
            for part in (_cell_imports(call.arguments), _ONE_AFTER_ANOTHER, _PER_EPOCH)
        )
        made = written_call("OneAfterAnother", call.arguments)
    else:
        before = "\n\n\n".join(
            [
                "from mindspore import nn\n"
                "from mindspore.nn.learning_rate_schedule import LearningRateSchedule",
                _PER_EPOCH.strip("\n"),
            ]
        )
        made = _nn(implementation.api, call)
    realises = call.realises
    if isinstance(realises, Counted):
        realises = realises.model_copy(update={"counted_in": "epochs"})
    made = f"PerEpoch({made}, {original.training.steps_per_epoch})"
    return Form(
        f"{implementation.api}, per epoch",
        implementation,
        replace(call, realises=realises),
        before,
        made,
    )


def _part_in_updates(part: Any) -> Any:
    """Of a part's parameters only exponential decay says by itself what it counts."""
    inner = part.schedule(Counted(base_lr=1.0))
    if not isinstance(inner, Exponential):
        return part
    given: dict[str, Any] = {
        "decay_rate": inner.decay_rate,
        "decay_steps": inner.decay_every,
        "staircase": inner.staircase,
    }
    return type(part).model_validate({"exponential": given})


def _with_function(original: Original, framework: str) -> Form:
    """The scheduler of either framework that is given the user's own function."""
    schedule = original.schedule
    assert isinstance(schedule, Tabulated)
    module = TORCH if framework == "torch" else EXPERIMENTAL
    name = "MultiplicativeLR" if schedule.multiplied else "LambdaLR"
    call = Call({}, base_lr=schedule.base_lr, per_epoch=schedule.per_epoch)
    first = "import torch" if framework == "torch" else "from mindspore.experimental import optim"
    imports = f"{first}\nfrom {module} import {name}"
    # MindSpore hands the function a Tensor, and would compute with it in float32.
    given = "factor" if framework == "torch" else "lambda t: factor(int(t))"
    return Form(
        f"{module}.{name}",
        IMPLEMENTATIONS[f"{module}.{name}"],
        call,
        _imported_first(imports, schedule.source),
        f"{name}(optimizer, lr_lambda={given})",
        _stepped(call),
    )


def _imported_first(imports: str, code: str) -> str:
    """Code behind other imports than its own, all of them at its head."""
    lines = code.split("\n")
    own = [line for line in lines if line.startswith("import ")]
    rest = "\n".join(line for line in lines if not line.startswith("import ")).strip("\n")
    return "\n".join([*own, *(["", imports] if own else [imports])]) + f"\n\n\n{rest}"


def _explicit(original: Original, framework: str) -> Form:
    """Every rate, by plain Python: as a list, or for torch as a function of the count."""
    schedule, training = original.schedule, original.training
    code = python.definition(schedule, original.counts)
    needed = python.imports(code) if not isinstance(schedule, Tabulated) else ""
    if framework == "torch":
        imports = f"import torch\nfrom {TORCH} import LambdaLR"
        imports = f"{needed}\n\n{imports}" if needed else imports
        return Form(
            f"{TORCH}.LambdaLR, with the rates as a function",
            IMPLEMENTATIONS[f"{TORCH}.LambdaLR"],
            Call({}, base_lr=1.0, per_epoch=schedule.per_epoch),
            _imported_first(imports, code),
            "LambdaLR(optimizer, lr_lambda=rate)",
            _stepped(Call({}, per_epoch=schedule.per_epoch)),
            explicit=True,
        )
    imports = f"{needed}\n\nfrom mindspore import nn" if needed else "from mindspore import nn"
    count = f"step // {training.steps_per_epoch}" if schedule.per_epoch else "step"
    if training.steps_per_epoch == 1:
        count = "step"
    return Form(
        EXPLICIT,
        Implementation(
            api="list",
            framework="mindspore",
            kind=Kind.LIST,
            form=Rounds.RECURSIVE if _goes_on(schedule) else Rounds.CLOSED,
            precision=Precision.FLOAT64,
            applied_precision=Precision.FLOAT32,
            modes=("pynative", "graph", "jit"),
            formula="rate(t)",
            documentation="",
        ),
        Call({}),
        _imported_first(imports, code),
        f"[rate({count}) for step in range({training.updates})]",
        explicit=True,
    )


def _goes_on(schedule: Schedule) -> bool:
    """Whether the plain code works each rate out from the one before."""
    return isinstance(schedule, Multiplicative) or (
        isinstance(schedule, Tabulated) and schedule.multiplied
    )
