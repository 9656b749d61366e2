"""What adapters make of odd rates: `python odd_rates.py FRAMEWORK` prints it, pickled.

It runs in a process of its own, since both frameworks leave much behind in the process that imports
them. Nothing here but the adapters needs a framework.
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from harness.adapters import worker
from harness.observation import Observation
from harness.workers import messages
from helpers.making import schedule_case, trial

SCHEDULERS = {
    "torch": "torch.optim.lr_scheduler.ExponentialLR",
    "mindspore": "mindspore.experimental.optim.lr_scheduler.ExponentialLR",
}
LIST, CELL = "mindspore.nn.exponential_decay_lr", "mindspore.nn.ExponentialDecayLR"


def number(rate: Any) -> float:
    return float(rate.asnumpy() if hasattr(rate, "asnumpy") else rate)


def in_turn(*kinds: Callable[[float], Any]) -> Callable[[list[Any]], list[Any]]:
    """A rate of one kind, then of another, and so on."""
    calls: Iterator[int] = iter(range(10**6))
    return lambda rates: [kinds[next(calls) % len(kinds)](number(rate)) for rate in rates]


RIGHT: dict[str, Callable[[list[Any]], Any]] = {
    "as it is": lambda rates: rates,
    "a list": list,
    "a tuple": tuple,
}
NONE: dict[str, tuple[Callable[[list[Any]], Any], str]] = {
    "two for one group": (lambda rates: list(rates) * 2, "for 1 group"),
    "none": (lambda rates: [], "gave [] for 1 group"),
    "no list": (lambda rates: rates[0], "for 1 group"),
    "an iterator": (iter, "iterator"),
    "a mapping": (lambda rates: dict(enumerate(rates)), "{0: "),
    "an array": (lambda rates: np.array([number(rate) for rate in rates]), "array("),
    "a nested list": (lambda rates: [rates], "of the type list"),
    "an array in a list": (lambda rates: [np.array(number(rates[0]))], "of the type ndarray"),
    "a text": (lambda rates: [str(number(rate)) for rate in rates], "of the type str"),
    "a Decimal": (lambda rates: [Decimal(number(rate)) for rate in rates], "of the type Decimal"),
    "a Fraction": (lambda rates: [Fraction(number(r)) for r in rates], "of the type Fraction"),
    "a complex number": (lambda rates: [complex(number(r)) for r in rates], "of the type complex"),
    "None": (lambda rates: [None], "of the type NoneType"),
    "a bool": (lambda rates: [True], "of the type bool"),
}
OTHERWISE = {
    "float32": lambda rates: [np.float32(number(rate)) for rate in rates],
    "float64": lambda rates: [np.float64(number(rate)) for rate in rates],
    "one after the other": in_turn(np.float32, np.float64),
}
LISTS: dict[str, tuple[Callable[[list[Any]], Any], str]] = {
    "a mapping": (lambda rates: {0: rates}, "{0: "),
    "an array": (np.array, "array("),
    "nested lists": (lambda rates: [[rate] for rate in rates], "of the type list"),
    "texts": (lambda rates: [str(rate) for rate in rates], "of the type str"),
    "Decimals": (lambda rates: [Decimal(rate) for rate in rates], "of the type Decimal"),
}
SHAPES = [(1, -1), (-1, 1), (1, 1, -1)]
MODES = ["pynative", "vector"]


class _Silent:
    """Stands for the output of a process."""

    def taken(self) -> str:
        return ""


def answered(adapter: Any, api: str, **more: Any) -> Observation:
    """What an adapter observes of a good case on an API."""
    request = {**messages.request(trial(schedule_case(), api)), **more}
    return messages.observation(worker.answer(adapter, request, _Silent()))  # type: ignore[arg-type]


@contextmanager
def giving(owner: Any, name: str, given: Callable[[Any], Any]) -> Iterator[None]:
    """A method or function gives something else, made of what it would give."""
    original = getattr(owner, name)
    changed = lambda *arguments, **named: given(original(*arguments, **named))  # noqa: E731
    with mock.patch.object(owner, name, changed):
        yield


def every(framework: str) -> Iterator[tuple[Any, Observation]]:
    """What is observed, by what was given."""
    adapter = importlib.import_module(f"harness.adapters.{framework}_adapter")
    api = SCHEDULERS[framework]
    module, _, name = api.rpartition(".")
    scheduler = getattr(importlib.import_module(module), name)
    kinds = {**RIGHT, **{name: given for name, (given, _) in NONE.items()}, **OTHERWISE}
    for kind, given in kinds.items():
        with giving(scheduler, "get_last_lr", given):
            yield kind, answered(adapter, api)
    if framework == "torch":
        tensor = importlib.import_module("torch").tensor
        with giving(scheduler, "get_last_lr", lambda rates: [tensor([r]) for r in rates]):
            yield "a tensor of one element", answered(adapter, api)
        return
    nn = importlib.import_module("mindspore.nn")
    for kind, (given, _) in LISTS.items():
        with giving(nn, "exponential_decay_lr", given):
            yield (LIST, kind), answered(adapter, LIST)
    for shape in SHAPES:
        with giving(nn.ExponentialDecayLR, "construct", lambda rate, s=shape: rate.reshape(s)):
            for mode in MODES:
                yield (CELL, mode, shape), answered(adapter, CELL, mode=mode)


@cache
def observed(framework: str) -> dict[Any, Observation]:
    """The same, from a process that has imported the framework."""
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, __file__, framework],
        env={**os.environ, "PYTHONPATH": f"{tests}:{tests.parent}"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[Any, Observation] = pickle.loads(done.stdout)
    return found


if __name__ == "__main__":
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # a framework may print
    out.write(pickle.dumps(dict(every(sys.argv[1]))))
