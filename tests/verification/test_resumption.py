"""A training that goes on in new objects goes on in those that `load` leaves behind."""

from __future__ import annotations

import pytest
from helpers.scripts import torch_script

from harness.errors import ScriptUnusable

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

OPTIMIZERS = {
    "torch": "def made(rate=1.0): return torch.optim.SGD(parameters(), lr=rate, momentum=0.9)\n",
    "mindspore": "def made(rate=1.0): return optim.SGD(parameters(), lr=rate, momentum=0.9)\n",
}
HALVING = """\
class Halving:
    def __init__(self, o, n=0): self.o, self.n = o, n
    def step(self):
        self.n += 1
        self.o.param_groups[0]["lr"] = 0.5 ** self.n
o = made()
held = {"optimizer": o, "scheduler": Halving(o)}
def again(n):
    o = made(0.5 ** n)
    held.update(optimizer=o, scheduler=Halving(o, n))
    return held["optimizer"], held["scheduler"]
def save(): return held["scheduler"].n
"""
HALVED = [0.5**n for n in range(8)]
LOADS = {
    "a tuple": "def load(n): return again(n)",
    "lists": "def load(n): return [[part] for part in again(n)]",
    "a mapping": "def load(n): return dict(zip(('optimizer', 'lr_scheduler'), again(n)))",
    "a mapping of settings": (
        "def load(n):\n    o, s = again(n)\n"
        "    return {'optimizer': o, 'lr_scheduler': {'scheduler': s, 'interval': 'step'}}"
    ),
    "all over again": "def load(n):\n    again(n)\n    return dict(held, save=save, load=load)",
    "nothing, but build's mapping has new objects": "def load(n): again(n)",
    "nothing that is used, but build's mapping has new objects": (
        "def load(n):\n    again(n)\n    return [], None"
    ),
    "the same objects, with their state": (
        "def load(n):\n    held['scheduler'].n = n\n"
        "    held['optimizer'].param_groups[0]['lr'] = 0.5 ** n"
    ),
    "a scheduler made again for the same optimizer": (
        "def load(n):\n    held['optimizer'].param_groups[0]['lr'] = 0.5 ** n\n"
        "    held['scheduler'] = Halving(held['optimizer'], n)\n"
        "    return held['optimizer'], held['scheduler']"
    ),
}


SLOW = pytest.mark.slow
QUICK = ("a tuple", "nothing, but build's mapping has new objects")
EACH = [
    *(pytest.param("torch", load, (1, 2, 6), id=f"torch {name}") for name, load in LOADS.items()),
    *(
        pytest.param(
            *("mindspore", load, (2, 5)),
            id=f"mindspore {name}",
            marks=[] if name in QUICK else [SLOW],
        )
        for name, load in LOADS.items()
    ),
]


@pytest.mark.parametrize(("framework", "load", "resume_at"), EACH)
def test_what_load_leaves_is_what_goes_on(rates_of, framework, load, resume_at):
    body = f"{OPTIMIZERS[framework]}{HALVING}{load}\nheld.update(save=save, load=load)\nreturn held"
    rates, trace = rates_of(framework, body, steps=8, resume_at=resume_at)
    assert trace.problems == ()
    assert rates == HALVED
    assert trace.sequences["applied"].tolist() == pytest.approx(HALVED)


WRONG = {
    "a new optimizer that it does not return": (
        "def load(n): again(n)",
        "held.copy()",
        "'load' made",
    ),
    "an unknown object": ("def load(n): return again(n), 7", "held", "load returned 7 at [1]"),
    "an unknown key": (
        "def load(n): return dict(optimizer=again(n)[0], schedule=1)",
        "held",
        "load returned a mapping with the unknown key 'schedule'",
    ),
    "names that were not loaded": (
        "def load(n): return again(n) and ['weight'], []",
        "held",
        "load returned 'weight' at [0][0]",
    ),
    "two optimizers": (
        "def load(n): return [made(), made()], []",
        "held",
        "load returned 2 optimizers",
    ),
    "no scheduler": (
        "def load(n): return again(n)[0]",
        "held",
        "resumed with 0 schedulers, and had 1 before",
    ),
    "an exception": ("def load(n): raise KeyError('model')", "held", "KeyError: 'model'"),
}


@pytest.mark.parametrize("framework", ["torch", pytest.param("mindspore", marks=SLOW)])
@pytest.mark.parametrize(("load", "returned", "said"), WRONG.values(), ids=list(WRONG))
def test_what_load_returns_is_read_as_strictly(rates_of, framework, load, returned, said):
    body = f"{OPTIMIZERS[framework]}{HALVING}{load}\nheld.update(save=save, load=load)\n"
    _, trace = rates_of(framework, f"{body}return {returned}", steps=8, resume_at=(3,))
    assert "it ended after 3 of 8 updates: " in trace.problems[-1]
    assert said in trace.problems[-1]


@pytest.mark.parametrize(
    ("load", "later"),
    [
        ("def load(_): return [0.5] * 9", [0.5] * 5),
        ("def load(_): return {'learning_rate': np.array([0.5] * 9)}", [0.5] * 5),
        ("def load(_): return None", [1.0, 1.0, 0.25, 0.25, 0.25]),
    ],
)
@pytest.mark.parametrize("framework", ["torch", "mindspore"])
def test_rates_that_load_returns_count_from_the_first_update(rates_of, framework, load, later):
    body = f"import numpy as np\n{load}\nlisted = [1.0] * 5 + [0.25] * 4\n"
    body += "return dict(learning_rate=listed, save=dict, load=load)"
    rates, trace = rates_of(framework, body, steps=8, resume_at=(3,))
    assert trace.problems == ()
    assert rates == trace.sequences["applied"].tolist() == [1.0] * 3 + later


STATELESS = [
    "class S:\n    def step(self): pass\nreturn made(), S()",
    "class S:\n    def step(self): pass\n    def state_dict(self): return {}\nreturn made(), S()",
    "class S:\n    step = load_state_dict = print\nreturn dict(optimizer=made(), scheduler=S())",
    "class S:\n    step = print\n    state_dict = load_state_dict = None\nreturn [made()], [S()]",
]


@pytest.mark.parametrize("framework", ["torch", pytest.param("mindspore", marks=SLOW)])
@pytest.mark.parametrize("body", STATELESS)
def test_what_has_no_state_is_refused_before_the_first_update(rates_of, framework, body):
    body = OPTIMIZERS[framework] + body
    rates, trace = rates_of(framework, body)
    assert trace.problems == () and rates == [1.0] * 6
    with pytest.raises(ScriptUnusable, match=r"it cannot be resumed: S.* has no state to save"):
        rates_of(framework, body, resume_at=(3,))


@pytest.mark.parametrize(
    "scheduler",
    [
        "lr_scheduler.MultiStepLR(o, [2, 4], 0.5)",
        "lr_scheduler.LambdaLR(o, Factor())",
        "lr_scheduler.CyclicLR(o, 0.1, 1.0, 3)",
        "lr_scheduler.SequentialLR(o, [lr_scheduler.ConstantLR(o, 0.5, 2), "
        "lr_scheduler.ExponentialLR(o, 0.9)], [3])",
    ],
)
def test_a_checkpoint_may_hold_whatever_a_scheduler_puts_there(rates_of, scheduler):
    body = (
        "global Factor\nclass Factor:\n    def __call__(self, n): return 0.5 ** n\n"
        f"o = torch.optim.SGD(parameters(), lr=1.0, momentum=0.5)\nreturn o, {scheduler}"
    )
    whole, _ = rates_of("torch", body, steps=8)
    resumed, trace = rates_of("torch", body, steps=8, resume_at=(1, 4))
    assert trace.problems == ()
    assert resumed == whole


def test_a_build_that_resumes_in_two_ways_is_refused(seen):
    text = torch_script(
        "o = torch.optim.SGD(parameters(), lr=0.1)\nreturn dict(optimizer=o, save=dict, load=print)"
    ).replace("def build():", "def build(start_step=0):")
    assert seen(text).problems == ()
    with pytest.raises(ScriptUnusable, match="takes start_step and returns 'load'"):
        seen(text, resume_at=(3,))
