"""A few lines that show a trial's observed values with the framework alone.

The scripts are templates, one for each way to drive an API, and make the calls that the adapter
makes; a test runs them and holds what they print against what the adapter observed.
"""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.case import ScheduleCase
from harness.plan import Trial
from harness.project import CASES

_TEMPLATES = Environment(
    loader=PackageLoader("harness.reproducer", "."),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def script(trial: Trial) -> str:
    """Python source that prints a line `step reported applied` for each observed step."""
    case, implementation = trial.case, trial.implementation
    module, _, name = implementation.api.rpartition(".")
    if not isinstance(case, ScheduleCase) or trial.call is None:
        return _TEMPLATES.get_template("signature.py.j2").render(module=module, name=name)
    template = f"{implementation.framework}_{implementation.kind.value}.py.j2"
    return _TEMPLATES.get_template(template).render(
        module=module,
        name=name,
        trial=trial,
        arguments=", ".join(f"{k}={_source(v)}" for k, v in trial.call.arguments.items()),
        call=trial.call,
        training=trial.training,
        steps=_steps(case),
    )


def explain_command(trial: Trial) -> str:
    """The command that shows one trial in full."""
    words = ["conform", "explain", trial.case.name, trial.implementation.api]
    words += ["--target", str(trial.target)]
    if not Path(trial.case.file).resolve().is_relative_to(CASES.resolve()):
        words += ["--cases", trial.case.file]
    return shlex.join(words)


def _source(value: object) -> str:
    """Python source of a plain value, NaN and infinities among them."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _steps(case: ScheduleCase) -> str:
    """The observed steps as Python source."""
    steps = case.observed_steps.tolist()
    if steps == list(range(steps[0], steps[-1] + 1)):
        start = f"{steps[0]}, " if steps[0] else ""
        return f"range({start}{steps[-1] + 1})"
    return repr(steps)
