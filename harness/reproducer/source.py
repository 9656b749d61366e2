"""Calls and values as Python source."""

from __future__ import annotations

import math
from typing import Any

from harness.catalogue import Made, Named, Other

_FUNCTIONS = {
    "power": "lambda t: {a}**t",
    "inverse": "lambda t: 1 / (1 + {a} * t)",
    "inverse_sqrt": "lambda t: (1 + {a} * t) ** -0.5",
    "constant": "lambda t: {a}",
    "table": "lambda t: {values}[min(int(t), {last})]",
    "counting": "type('Counting', (), {{'n': -1, '__call__': "
    "lambda self, t: (setattr(self, 'n', self.n + 1), {a}**self.n)[1]}})()",
}


_OTHER = {
    "torch": "torch.optim.{}([torch.nn.Parameter(torch.zeros(1))], lr=1.0)",
    "mindspore": "mindspore.experimental.optim.{}("
    "[mindspore.Parameter(mindspore.Tensor([0.0]), name='another')], lr=1.0)",
}


def source(value: Any, framework: str = "torch") -> str:
    """Python source of an argument: parts as calls, functions as lambdas, NaN as `float("nan")`.

    >>> source([Named("power", 0.9), float("inf")])
    '[lambda t: 0.9**t, float("inf")]'
    >>> source(Made("torch.optim.lr_scheduler.ExponentialLR", {"gamma": 0.5}))
    'ExponentialLR(optimizer, gamma=0.5)'
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list | tuple):
        return f"[{', '.join(source(item, framework) for item in value)}]"
    if isinstance(value, Made):
        return call(value.api, value.arguments)
    if isinstance(value, Other):
        return _OTHER[framework].format(value.optimizer)
    if isinstance(value, Named):
        text = _FUNCTIONS[value.name]
        return text.format(
            a=source(value.a), values=source(value.values), last=len(value.values) - 1
        )
    return repr(value)


def call(api: str, arguments: dict[str, Any], *more: str) -> str:
    """A call as a user would write it, the optimizer first where the API wraps one."""
    name = api.rpartition(".")[2]
    wraps = ".lr_scheduler." in api or api.endswith(".SWALR")
    first = ["optimizer"] if wraps and name != "ChainedScheduler" else []
    framework = api.partition(".")[0]
    given = {key: source(value, framework) for key, value in arguments.items()}
    if first and "optimizer" in given:
        first = [given.pop("optimizer")]
    passed = [f"{key}={value}" for key, value in given.items()]
    return f"{name}({', '.join([*first, *passed, *more])})"


def names(api: str, arguments: Any) -> dict[str, set[str]]:
    """What has to be imported for a call and its parts: names by module."""
    found: dict[str, set[str]] = {}
    _collect(Made(api, arguments), found)
    return found


def _collect(value: Any, found: dict[str, set[str]]) -> None:
    if isinstance(value, Made):
        module, _, name = value.api.rpartition(".")
        found.setdefault(module, set()).add(name)
        for argument in value.arguments.values():
            _collect(argument, found)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, found)
