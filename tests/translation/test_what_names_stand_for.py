"""A name of a script stands for a value only if nothing else can have changed it."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from harness.errors import Untranslatable
from harness.translation.reading import Length, read
from harness.translation.source import in_file

LENGTH = Length(12, 1, per_step=False)
HEAD = """\
import torch
from torch.optim.lr_scheduler import *
"""


def schedule(tmp_path, text, given=None):
    """What the last call of a script makes; its first line is the third."""
    path = tmp_path / "train.py"
    path.write_text(HEAD + dedent(text).lstrip("\n"), encoding="utf-8")
    return read(in_file(path, None, given or {})[-1], LENGTH, 0.1).schedule


KNOWN = {
    "the module's": "gamma = 0.5\nExponentialLR(opt, gamma)",
    "of the function around it": """
        gamma = 0.9
        def train(opt):
            gamma = 0.5
            def make():
                return ExponentialLR(opt, gamma=gamma)
            return make()
        """,
    "not of the class around it": """
        gamma = 0.5
        class Trainer:
            gamma = 0.9
            def make(self, opt):
                return ExponentialLR(opt, gamma)
        """,
    "not of a comprehension": "gamma = 0.5\n[gamma for gamma in rates]\nExponentialLR(opt, gamma)",
    "not of another function": """
        gamma = 0.5
        def other(gamma):
            gamma = 0.9
        ExponentialLR(opt, gamma)
        """,
    "of other names": "half = 1 / 2\ngamma: float = half\nExponentialLR(opt, gamma)",
    "one of several": "size, gamma = 3, 0.5\nExponentialLR(opt, gamma)",
    "where it was written": """
        base = 0.5
        gamma = base
        def make(base):
            return ExponentialLR(opt, gamma)
        """,
    "bound in a branch alone": "if fast:\n    gamma = 0.5\nExponentialLR(opt, gamma)",
    "a class's constant": """
        class Config:
            gamma = 0.5
        ExponentialLR(opt, Config.gamma)
        """,
    "an object's": """
        class Trainer:
            def __init__(self):
                self.gamma = 0.5
            def make(self):
                return ExponentialLR(opt, self.gamma)
        """,
    "of math": "from math import exp as e, log as l\nExponentialLR(opt, e(l(0.5)))",
    "of math by another name": "import math as m\nExponentialLR(opt, m.exp(m.log(0.5)))",
    "a list that is only read": """
        rates = [0.5, 0.25]
        print(rates, len(rates), rates[1], [r * 2 for r in rates])
        ExponentialLR(opt, rates[0])
        """,
}


@pytest.mark.parametrize("text", KNOWN.values(), ids=KNOWN)
def test_a_value_that_nothing_can_have_changed_is_taken(tmp_path, text):
    assert schedule(tmp_path, text).decay_rate == pytest.approx(0.5, rel=1e-15)


CALL = "ExponentialLR(opt, gamma)"
LISTED = "MultiStepLR(opt, ms)"
UNKNOWN = {
    "another assignment": (f"gamma = 0.5\ngamma = 0.9\n{CALL}", 4),
    "a later one": (f"gamma = 0.5\n{CALL}\ngamma = 0.9", 5),
    "in a branch": (f"gamma = 0.5\nif fast:\n    gamma = 0.9\n{CALL}", 5),
    "by match": (f"gamma = 0.5\nmatch a:\n    case gamma:\n        pass\n{CALL}", 5),
    "by match of a mapping": (
        f"gamma = 0.5\nmatch a:\n    case {{**gamma}}:\n        1\n{CALL}",
        5,
    ),
    "by match of a rest": (f"gamma = 0.5\nmatch a:\n    case [1, *gamma]:\n        1\n{CALL}", 5),
    "augmented": (f"gamma = 0.5\ngamma *= 2\n{CALL}", 4),
    "deleted": (f"gamma = 0.5\ndel gamma\n{CALL}", 4),
    "a for target": (f"gamma = 0.5\nfor gamma in a:\n    pass\n{CALL}", 4),
    "a for target alone": (f"for gamma in a:\n    {CALL}", 3),
    "one of the targets": (f"gamma = 0.5\nfor i, (gamma, x) in a:\n    pass\n{CALL}", 4),
    "in a while loop": (f"gamma = 0.5\nwhile a:\n    gamma = gamma / 2\n{CALL}", 5),
    "a walrus": (f"gamma = 0.5\nif (gamma := a):\n    pass\n{CALL}", 4),
    "a walrus in a comprehension": (f"gamma = 0.5\n[gamma := i for i in a]\n{CALL}", 4),
    "with": (f"gamma = 0.5\nwith a as gamma:\n    pass\n{CALL}", 4),
    "with several": (f"gamma = 0.5\nwith a as (b, gamma):\n    pass\n{CALL}", 4),
    "except": (f"gamma = 0.5\ntry:\n    1\nexcept E as gamma:\n    pass\n{CALL}", 6),
    "an import": (f"gamma = 0.5\nfrom a import gamma\n{CALL}", 4),
    "an import by that name": (f"gamma = 0.5\nimport a as gamma\n{CALL}", 4),
    "a star import": (f"gamma = 0.5\nfrom a import *\n{CALL}", 4),
    "global": (f"gamma = 0.5\ndef f():\n    global gamma\n    gamma = 0.9\n{CALL}", 6),
    "global in a loop": (
        f"gamma = 0.5\ndef f():\n    global gamma\n    for gamma in a: 1\n{CALL}",
        6,
    ),
    "nonlocal": (
        "def f(opt):\n    gamma = 0.5\n    def g():\n        nonlocal gamma\n        gamma = 0.9\n"
        f"    g()\n    return {CALL}",
        7,
    ),
    "a parameter": (f"gamma = 0.5\ndef f(opt, gamma):\n    return {CALL}", 4),
    "a parameter with a default": (f"def f(opt, gamma=0.5):\n    return {CALL}", 3),
    "a keyword parameter": (f"def f(opt, *, gamma=0.5):\n    return {CALL}", 3),
    "all other arguments": (f"def f(opt, *gamma):\n    return {CALL}", 3),
    "a function": (f"gamma = 0.5\ndef gamma(): pass\n{CALL}", 4),
    "a class": (f"gamma = 0.5\nclass gamma: pass\n{CALL}", 4),
    "exec": (f"gamma = 0.5\nexec(text)\n{CALL}", 4),
    "globals": (f"gamma = 0.5\nglobals()['gamma'] = 0.9\n{CALL}", 4),
    "vars": (f"gamma = 0.5\nvars().update(gamma=0.9)\n{CALL}", 4),
    "sys.modules": (f"gamma = 0.5\nsys.modules[__name__].gamma = 0.9\n{CALL}", 4),
    "Python's own that is another": ("def max(a, b): return a\nExponentialLR(opt, max(1, 2))", 3),
    "a module that is another": ("math = mine()\nExponentialLR(opt, math.exp(-1.0))", 3),
    "Python's own after a star": ("from a import *\nExponentialLR(opt, max(0.1, 0.5))", 3),
    "appended to": (f"ms = [2, 4]\nms.append(1)\n{LISTED}", 4),
    "appended to later": (f"ms = [2, 4]\n{LISTED}\nms.append(1)", 5),
    "an item set": (f"ms = [2, 4]\nms[0] = 3\n{LISTED}", 4),
    "an item deleted": (f"ms = [2, 4]\ndel ms[0]\n{LISTED}", 4),
    "a slice set": (f"ms = [2, 4]\nms[:] = []\n{LISTED}", 4),
    "an item augmented": (f"ms = [2, 4]\nms[0] += 1\n{LISTED}", 4),
    "extended": (f"ms = [2, 4]\nms += [5]\n{LISTED}", 4),
    "another name": (f"ms = [2, 4]\nother = ms\nother.append(1)\n{LISTED}", 4),
    "another name in a tuple": (f"ms = [2, 4]\nother, a = ms, 1\nother.append(1)\n{LISTED}", 4),
    "given to a function": (f"ms = [2, 4]\nextend(ms)\n{LISTED}", 4),
    "given by its keyword": (f"ms = [2, 4]\nextend(a=ms)\n{LISTED}", 4),
    "in another list": (f"ms = [2, 4]\nlists = [ms]\nlists[0].append(1)\n{LISTED}", 4),
    "returned": (f"ms = [2, 4]\ndef f():\n    return ms\nf().append(1)\n{LISTED}", 5),
    "changed in a function": (f"ms = [2, 4]\ndef f():\n    ms.clear()\nf()\n{LISTED}", 5),
    "bound by a method": (f"ms = [2, 4]\nadd = ms.append\nadd(1)\n{LISTED}", 4),
    "sorted by a function of that name": (
        f"def sorted(a): a.clear()\nms = [2, 4]\nsorted(ms)\n{LISTED}",
        5,
    ),
    "an attribute of an argument": ("def f(opt, args):\n    return ExponentialLR(opt, args.g)", 3),
    "an attribute set twice": (
        "class T:\n    def a(self): self.g = 0.5\n    def b(self): self.g = 0.9\n"
        "    def c(self): ExponentialLR(opt, self.g)",
        5,
    ),
    "an attribute of another object": (
        "class T:\n    def a(self): self.g = 0.5\nclass U:\n"
        "    def c(self): ExponentialLR(opt, self.g)",
        4,
    ),
    "an attribute of an object given away": (
        "class T:\n    def a(self):\n        self.g = 0.5\n        fill(self)\n"
        "    def c(self): ExponentialLR(opt, self.g)",
        6,
    ),
    "setattr": ("class C:\n    g = 0.5\nsetattr(C, 'g', 0.9)\nExponentialLR(opt, C.g)", 5),
    "a class's constant of its child": (
        "class C:\n    g = 0.5\nclass D(C):\n    g = 0.9\nExponentialLR(opt, C.g)",
        6,
    ),
    "the local one that is not set": (
        "def f(t):\n    if t > 2:\n        x = 0.5\n    return x\nx = 1.0\nLambdaLR(opt, f)",
        0,
    ),
    "a function that is decorated": ("@twice\ndef f(t): return 0.5\nLambdaLR(opt, f)", 0),
    "a function defined twice": (
        "def f(t): return 0.5\ndef f(t): return 0.9\nLambdaLR(opt, f)",
        4,
    ),
    "two targets at once": ("def f(t):\n    a = b = t\n    return b\nLambdaLR(opt, f)", 0),
}


@pytest.mark.parametrize(("text", "line"), UNKNOWN.values(), ids=UNKNOWN)
def test_a_value_that_something_may_have_changed_is_asked_for_with_the_line(tmp_path, text, line):
    with pytest.raises(Untranslatable) as caught:
        schedule(tmp_path, text)
    if line:
        assert f"line {line} has" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("from torch.optim.lr_scheduler import StepLR\nStepLR = Mine\nStepLR(opt, 2)", "StepLR"),
        (
            "try:\n    from torch.optim.lr_scheduler import StepLR\n"
            "except ImportError:\n    from a import StepLR\nStepLR(opt, 2)",
            "line 6",
        ),
        ("from a import *\nStepLR(opt, 2)", "line 3 has `from a import *`"),
        ("class StepLR: pass\nStepLR(opt, 2)", "no schedule of the catalogue"),
        ("def f(StepLR):\n    return StepLR(opt, 2)", "line 3"),
        ("from .schedules import StepLR\nStepLR(opt, 2)", "no schedule of the catalogue"),
    ],
)
def test_a_class_that_may_be_another_is_no_schedule(tmp_path, text, what):
    with pytest.raises(Untranslatable, match=re.escape(what)):
        schedule(tmp_path, text)


def test_what_is_given_counts_for_more_than_the_script(tmp_path):
    text = f"gamma = 0.5\ngamma = 0.9\n{CALL}"
    assert schedule(tmp_path, text, {"gamma": 0.25}).decay_rate == 0.25


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("g = 0.5\nLambdaLR(opt, lambda t: g ** t)", 0.25),
        ("from math import cos\nLambdaLR(opt, lambda t: 1 - t + cos(0) / 4 + 1)", 0.25),
        ("t = 3\ng = t / 6\nLambdaLR(opt, lambda t: g ** t)", 0.25),
        ("import numpy as n\nLambdaLR(opt, lambda t: n.exp(t - 2) / 4)", 0.25),
        ("def f(t):\n    '''Twice.'''\n    g = 0.5\n    return g ** t\nLambdaLR(opt, f)", 0.25),
    ],
)
def test_a_function_knows_the_names_around_it_and_its_own(tmp_path, text, factor):
    made = schedule(tmp_path, text)
    assert made.factors[2] == factor
    space: dict = {}
    exec(made.source, space)
    assert space["factor"](2) == factor


@pytest.mark.parametrize(
    "call",
    [
        "SequentialLR(opt, [LinearLR(opt), ExponentialLR(opt, 0.9)], [3], last_epoch=5)",
        "SequentialLR(opt, [LinearLR(opt, last_epoch=4), ExponentialLR(opt, 0.9)], [3])",
        "ChainedScheduler([LinearLR(opt), ExponentialLR(opt, 0.9, last_epoch=2)])",
        "LambdaLR(opt, lambda t: 0.9**t, last_epoch=3)",
        "MultiplicativeLR(opt, lambda t: 0.9, 3)",
        "StepLR(opt, 2, last_epoch=1)",
    ],
)
def test_a_schedule_that_begins_later_is_not_taken_for_one_from_its_beginning(tmp_path, call):
    with pytest.raises(Untranslatable, match="from its beginning"):
        schedule(tmp_path, call)


@pytest.mark.parametrize(
    "call",
    [
        "StepLR(opt, 2, verbose=True)",
        "StepLR(opt, 2, 0.1, -1, True)",
        "SequentialLR(opt, [LinearLR(opt, verbose=a), ExponentialLR(opt, 0.9)], [3])",
        "ReduceLROnPlateau(opt, verbose=True)",
    ],
)
def test_an_argument_that_newer_versions_do_not_have_is_said_to_be_dropped(tmp_path, call):
    path = tmp_path / "train.py"
    path.write_text(HEAD + call, encoding="utf-8")
    original = read(in_file(path, None, {})[-1], LENGTH, 0.1)
    assert [tell for tell in original.tells if tell.startswith("dropped: verbose")]
