"""Training scripts drawn at random, and a framework small enough to run thousands of them."""

from __future__ import annotations

import contextlib
import random
from textwrap import indent
from types import SimpleNamespace
from typing import Any

BASE, GAMMA = 0.25, 0.5
CALL = "StepLR(optimizer, 1, 0.5)"
MOST = 400
"""Conditions that are asked for in a script: those that hang are ended so."""

OFTEN = ["optimizer.step()", "scheduler.step()"]
HARMLESS = [
    *("optimizer.zero_grad()", "told(optimizer.param_groups[0]['lr'])", "other.step()"),
    *("told(scheduler.get_last_lr())", "falls.step()", "state = optimizer.state_dict()"),
    *("assert scheduler.last_epoch >= 0", "flag and told(1)"),
]
ROUNDABOUT = [
    *("again = scheduler\nagain.step()", "for each in [scheduler]:\n    each.step()"),
    *("for each in (scheduler, falls):\n    each.step()", "[x.step() for x in (optimizer,)]"),
    *("for each in (optimizer, scheduler):\n    each.step()", "(lambda: scheduler.step())()"),
    *("pair = optimizer, scheduler\npair[0].step()\npair[1].step()", "both(optimizer, scheduler)"),
    *("both(other, falls)", "early(optimizer, scheduler)", "trainer.fit()", "trainer.go()"),
    *("trainer.optimizer.step()\ntrainer.scheduler.step()", "scheduler.optimizer.step()"),
    *("things = {'s': scheduler}\nthings['s'].step()", "with nothing():\n    optimizer.step()"),
    *("def inner():\n    optimizer.step()\ninner()", "done = scheduler.step() or optimizer.step()"),
    *("if scheduler is not None:\n    scheduler.step()", "Trainer(optimizer, scheduler).fit()"),
    *("flag and scheduler.step()", "scheduler.step() if flag else None"),
    *("def late(s=scheduler, o=optimizer):\n    o.step()\n    s.step()\nlate()",),
    *("class Box:\n    s = scheduler\nBox.s.step()", "space.s = scheduler\nspace.s.step()"),
    *("with suppress(ValueError):\n    maybe()\n    optimizer.step()", "call(scheduler.step)"),
    *("for i in range(2):\n    if now():\n        break\nelse:\n    scheduler.step()",),
    *("for each in (optimizer, scheduler):\n    if now(): break\n    each.step()",),
]
CHANGES = [
    *(
        "optimizer.param_groups[0]['lr'] = 0.7",
        "for g in optimizer.param_groups:\n    g['lr'] *= 2",
    ),
    *("scheduler = StepLR(optimizer, 1, 0.5)", "optimizer, other = other, optimizer"),
    *("scheduler, falls = falls, scheduler", "if now():\n    scheduler = another()"),
    *("scheduler = another() if now() else scheduler", "if now():\n    trainer.scheduler = falls"),
    *(
        "run = scheduler.step\nrun()",
        "getattr(optimizer, 'step')()",
        "class A:\n    scheduler.step()",
    ),
]
CONDITIONS = ["now()", "flag", "not flag", "True", "False", "scheduler is not None"]
BOTH = [
    *("a.step()\nb.step()", "for i in range(2):\n    a.step()\nb.step()", "a.step()", "b.step()"),
    *("if flag:\n    return\na.step()\nb.step()", "while now():\n    a.step()\nb.step()"),
]
EARLY = [
    "for i in range(3):\n    a.step()\n    if now():\n        return\nb.step()",
    "if now():\n    return\na.step()\nb.step()",
    "a.step()\nif flag:\n    b.step()\n    return\nb.step()",
]
HEAD = """\
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from helper import *  # noqa
"""
MADE = """\
optimizer = SGD(nn.Linear(2, 2).parameters(), lr=0.25)
other = SGD(nn.Linear(2, 2).parameters(), lr=0.5)
falls = StepLR(other, 1, 0.25)
scheduler = StepLR(optimizer, 1, 0.5)
trainer = Trainer(optimizer, scheduler)
"""
TRAINER = """\
class Trainer:
    def __init__(self, optimizer, scheduler):
        self.optimizer, self.scheduler = optimizer, scheduler
    def fit(self):
        self.optimizer.step()
        self.scheduler.step()
    def go(self):
"""


class Stop(Exception):
    """A script has come to its end, or will never."""


class _Drawn:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.loops = 0

    def statement(self) -> str:
        pool = self.random.choices((OFTEN, HARMLESS, ROUNDABOUT, CHANGES), (60, 20, 18, 2))[0]
        return self.random.choice(pool)

    def block(self, depth: int, in_loop: bool, in_function: bool) -> str:
        return "\n".join(
            self.compound(depth, in_loop, in_function)
            if depth and self.random.random() < 0.4
            else self.statement()
            for _ in range(self.random.choice([1, 1, 2, 2, 3]))
        )

    def compound(self, depth: int, in_loop: bool, in_function: bool) -> str:
        kind = self.random.choice(["for", "for", "while", "if", "if", "try"])
        if kind in ("for", "while"):
            self.loops += 1
            over = f"range({self.random.choice([1, 2, 3])})"
            head = f"for v{self.loops} in {over}:" if kind == "for" else "while now():"
            return f"{head}\n{indent(self.block(depth - 1, True, in_function), '    ')}"
        body = self.block(depth - 1, in_loop, in_function)
        if kind == "try":
            caught = self.random.choice(["pass", "scheduler.step()", "raise"])
            return f"try:\n    maybe()\n{indent(body, '    ')}\nexcept ValueError:\n    {caught}"
        if self.random.random() < 0.3:
            leaving = ["raise Stop", *(["continue", "break"] if in_loop else [])]
            body += "\n" + self.random.choice([*leaving, *(["return"] if in_function else [])])
        text = f"if {self.random.choice(CONDITIONS)}:\n{indent(body, '    ')}"
        if self.random.random() < 0.4:
            other = self.block(depth - 1, in_loop, in_function)
            text += f"\nelse:\n{indent(other, '    ')}"
        return text


def drawn(seed: int) -> str:
    """A script that makes `CALL`, and does something with it."""
    it = _Drawn(seed)
    functions = "".join(
        f"def {name}(a, b):\n{indent(it.random.choice(bodies), '    ')}\n"
        for name, bodies in (("both", BOTH), ("early", EARLY))
    )
    go = it.random.choice(["self.fit()", "pass", "both(self.optimizer, self.scheduler)"])
    head = HEAD.replace("*  # noqa", ", ".join(HELPER)) + functions + TRAINER + indent(go, " " * 8)
    if it.random.random() < 0.5:
        loop = it.random.choice(["for epoch in range(4):\n", ""])
        body = it.block(2, bool(loop), False)
        return f"{head}\n{MADE}{loop}{indent(body, '    ') if loop else body}\n"
    training = "for epoch in range(4):\n" + indent(it.block(2, True, True), "    ")
    call = it.random.choice(["main()", "if __name__ == '__main__':\n    main()", "main(); main()"])
    return f"{head}\ndef main():\n{indent(MADE + training, '    ')}\n{call}\n"


HELPER = (
    *("now", "maybe", "told", "flag", "nothing", "suppress", "another", "space", "call", "Stop"),
)


def run(text: str, seed: int) -> list[tuple[str, Any, float]]:
    """What a script does: schedules made and stepped, and updates of an optimizer at a rate."""
    drawn_, log, asked = random.Random(seed), [], [0]

    class SGD:
        def __init__(self, parameters: Any, lr: float) -> None:
            self.param_groups = [{"lr": lr}]

        def step(self, closure: Any = None) -> None:
            log.append(("update", self, self.param_groups[0]["lr"]))

        def zero_grad(self) -> None: ...

        def state_dict(self) -> None: ...

    class StepLR:
        def __init__(self, optimizer: SGD, step_size: int, gamma: float) -> None:
            self.optimizer, self.gamma, self.last_epoch = optimizer, gamma, 0
            log.append(("made", self, 0.0))

        def step(self) -> None:
            log.append(("step", self, 0.0))
            self.last_epoch += 1
            for group in self.optimizer.param_groups:
                group["lr"] *= self.gamma

        def get_last_lr(self) -> list[float]:
            return [group["lr"] for group in self.optimizer.param_groups]

    def now() -> bool:
        asked[0] += 1
        if asked[0] > MOST:
            raise Stop
        return drawn_.random() < 0.6

    def maybe() -> None:
        if now():
            raise ValueError

    linear = SimpleNamespace(Linear=lambda *_: SimpleNamespace(parameters=list))
    given = {
        **{"now": now, "maybe": maybe, "told": lambda _: None, "flag": drawn_.random() < 0.5},
        **{"nothing": contextlib.nullcontext, "suppress": contextlib.suppress, "Stop": Stop},
        **{"another": lambda: StepLR(SGD([], 1.0), 1, 1.0), "space": SimpleNamespace()},
        **{"call": lambda function: function(), "nn": linear, "SGD": SGD, "StepLR": StepLR},
    }
    body = "\n".join(line for line in text.splitlines() if not line.startswith("from "))
    with contextlib.suppress(Stop, ValueError, NameError):
        exec(compile(body, "script", "exec"), {**given, "__name__": "__main__"})
    return log
