"""A few lines that show a trial's observed values with the framework alone.

The scripts are templates, one for each way to drive an API, and make the calls that the adapter
makes; a test runs them and holds what they print against what the adapter observed.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.case import ScheduleCase
from harness.catalogue import Call, Implementation, Kind
from harness.errors import typed
from harness.plan import Trial
from harness.project import CASES
from harness.reproducer.source import call as written_call, names, source

_TEMPLATES = Environment(
    loader=PackageLoader("harness.reproducer", "."),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SMALL = 1e-12
#: The optimizers and their settings, as the adapters have them.
_OPTIMIZERS: dict[str, dict[str, tuple[str, str]]] = {
    "torch": {
        "SGD": ("SGD", ""),
        "Momentum": ("SGD", ", momentum=0.5, dampening=0.5"),
        "Adam": ("Adam", ", betas=(0.0, 0.0), eps=0.0"),
        "AdamW": ("AdamW", ", betas=(0.0, 0.0), eps=0.0, weight_decay=0.0"),
    },
    "mindspore.nn": {
        "own": ("Own", ""),
        "SGD": ("SGD", ""),
        "Momentum": ("Momentum", ", momentum=0.5"),
        "Adam": ("Adam", f", beta1={_SMALL}, beta2={_SMALL}, eps={_SMALL}"),
        "AdamW": ("AdamWeightDecay", f", beta1={_SMALL}, beta2={_SMALL}, eps={_SMALL}"),
    },
    "mindspore.experimental": {
        "own": ("Own", ""),
        "SGD": ("SGD", ""),
        "Momentum": ("SGD", ", momentum=0.5, dampening=0.5"),
        "Adam": ("Adam", f", betas=({_SMALL}, {_SMALL}), eps={_SMALL}"),
        "AdamW": ("AdamW", f", betas=({_SMALL}, {_SMALL}), eps={_SMALL}, weight_decay=0.0"),
    },
}


def script(trial: Trial) -> str:
    """Python source that prints `step reported applied` for each observed step.

    With several parameter groups, `reported applied` follows for each of them.
    """
    case, implementation = trial.case, trial.implementation
    module, _, name = implementation.api.rpartition(".")
    if not isinstance(case, ScheduleCase) or trial.call is None:
        return _TEMPLATES.get_template("signature.py.j2").render(module=module, name=name)
    template = f"{implementation.framework}_{implementation.kind.value}.py.j2"
    text = _TEMPLATES.get_template(template).render(_context(trial, case, trial.call))
    return re.sub(r"\n{4,}", "\n\n\n", text.lstrip("\n"))


def _context(trial: Trial, case: ScheduleCase, call: Call) -> dict[str, Any]:
    implementation, training = trial.implementation, trial.training
    joins = [0, *(group.added_at for group in case.groups)]
    groups = list(zip((call, *trial.groups), joins, strict=True))
    name, _, special = trial.optimizer.partition(" ")
    optimizer, settings = _OPTIMIZERS[_place(implementation)][name]
    settings += f", {special}=True" if special else ""
    by = training.resume.by if training.resume else ""
    into = training.resume.into if training.resume else {}
    more = ["**more"] if by == "last_epoch" else []
    return {
        "trial": trial,
        "call": call,
        "training": training,
        "source": source,
        "steps": _steps(case),
        "imports": _imports(implementation.api, call.arguments),
        "written": _overridable(implementation, call)
        if into
        else _written(implementation, call, *more),
        "all_written": [_written(implementation, each) for each, _ in groups],
        "present": [{"lr": each.base_lr} for each, joined in groups if not joined],
        "joining": [(each.base_lr, joined) for each, joined in groups if joined],
        "by": by,
        "into": ", ".join(f"{name}={source(value)}" for name, value in into.items()),
        "rate": lambda rate: _rate(trial, rate),
        "optimizer": optimizer,
        "settings": settings,
        "device": f'"{trial.target.device}"',
        "jit_level": _jit_level(trial.target.mode),
        "epochs": -(-training.updates // training.steps_per_epoch),
        "stepped": _stepped(trial, call),
    }


def _rate(trial: Trial, rate: Any) -> Any:
    """A rate, or Python source of one, as the optimizer is given it: itself, or a tensor."""
    training = trial.training
    if not training.lr_dtype:
        return rate
    if trial.implementation.framework == "torch":
        device = trial.target.device
        return f'torch.tensor({rate}, dtype=torch.{training.lr_dtype}, device="{device}")'
    tensor = f"Tensor(np.array({rate}, np.{training.lr_dtype}))"
    return f'Parameter({tensor}, name="given_rate")' if training.lr_parameter else tensor


def _jit_level(mode: str) -> str:
    """What follows `ms.jit` in a mode.

    >>> _jit_level("jit-O1"), _jit_level("jit")
    ('(jit_level="O1")', '')
    """
    level = mode.partition("-")[2]
    return f'(jit_level="{level}")' if level else ""


def _place(implementation: Implementation) -> str:
    if implementation.framework == "torch":
        return "torch"
    return "mindspore.experimental" if implementation.kind is Kind.SCHEDULER else "mindspore.nn"


def written(trial: Trial) -> str:
    """The call that makes the first group's schedule, as a user would write it."""
    if trial.call is None:
        return f"inspect.signature({trial.implementation.api.rpartition('.')[2]})"
    return _written(trial.implementation, trial.call)


def advanced(trial: Trial) -> str:
    """When the schedule moves on."""
    if trial.implementation.kind is Kind.CALLBACK:
        return "by Model.train or fit"
    if trial.implementation.kind is not Kind.SCHEDULER or trial.call is None:
        return "looked up by the number of updates made"
    if trial.training.told:
        return "step(epoch) or step() after each update"
    told = ", ".join(
        ["metric"] * bool(trial.call.metrics) + ["epoch"] * (trial.training.stepping == "epoch")
    )
    return f"step({told}) after each {'epoch' if trial.call.per_epoch else 'update'}"


def _written(implementation: Implementation, call: Call, *more: str) -> str:
    arguments = dict(call.arguments)
    if implementation.api.endswith(".LearningRateSchedule"):
        return written_call("OneAfterAnother", arguments, *more)
    if "learning_rate_function" in arguments:
        function = source(arguments.pop("learning_rate_function"))
        more = (f"learning_rate_function=lambda rate, step: rate * ({function})(step)", *more)
    if implementation.kind is Kind.CALLBACK and call.metrics:
        arguments["monitor"] = "given"
    return written_call(implementation.api, arguments, *more)


def _overridable(implementation: Implementation, call: Call) -> str:
    """The call of a scheduler, whose arguments `more` overrides."""
    given = written_call("dict", call.arguments)
    return written_call(implementation.api, {}, f"**{{**{given}, **more}}")


def _imports(api: str, arguments: dict[str, Any]) -> str:
    lines = []
    for module, found in sorted(names(api, arguments).items()):
        for name in sorted(found):
            lines.append(f"from {module} import {name}")
    return "\n".join(lines)


def _stepped(trial: Trial, call: Call) -> str:
    """What `scheduler.step` is told."""
    told = ["next(metrics)"] if call.metrics else []
    if trial.training.told:
        told.append("*told[update]")
    if trial.training.stepping == "epoch":
        length = trial.training.steps_per_epoch if call.per_epoch else 1
        told.append("update + 1" if length == 1 else f"(update + 1) // {length}")
    return ", ".join(told)


def explain_command(trial: Trial) -> str:
    """The command that shows one trial in full."""
    words = ["conform", "explain", trial.case.name, trial.implementation.api]
    words += ["--target", str(trial.target)]
    if not _is_our_own(trial.case.file):
        return f"{shlex.join(words)} --cases {typed(trial.case.file)}"
    return shlex.join(words)


@cache
def _is_our_own(file: str) -> bool:
    """Whether the suite finds the cases of a file by itself."""
    return Path(file).resolve().is_relative_to(CASES.resolve())


def _steps(case: ScheduleCase) -> str:
    """The observed steps as Python source."""
    steps = case.observed_steps.tolist()
    if steps[-1] - steps[0] == len(steps) - 1:  # they increase, so none is left out
        start = f"{steps[0]}, " if steps[0] else ""
        return f"range({start}{steps[-1] + 1})"
    return repr(steps)
