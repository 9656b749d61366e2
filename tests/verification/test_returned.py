"""Every part of what `build` returns is used, or is an error that names it."""

from __future__ import annotations

import pytest

from harness.errors import ScriptUnusable

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

BOTH = pytest.mark.parametrize("framework", ["torch", "mindspore"])
MADE = {
    "torch": "o = torch.optim.SGD(parameters(), lr=1.0)\n",
    "mindspore": "o = optim.SGD(parameters(), lr=1.0)\n",
}
HALVING = "s = lr_scheduler.StepLR(o, 2, 0.5)\n"
STAIRS = [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]

FORMS = [
    "o, s",
    "[o, s]",
    "[o], [s]",
    "([o], [{'scheduler': s, 'interval': 'step'}])",
    "[[o], [s]]",
    "{'optimizer': o, 'scheduler': s}",
    "{'optimizer': [o], 'schedulers': (s,), 'per': 'step'}",
    "{'optimizer': o, 'lr_scheduler': s, 'monitor': 'loss'}",
    "{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'interval': 'step', 'frequency': 1}}",
    "[{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'name': 'lr', 'strict': True}}]",
    "({'optimizer': o, 'lr_scheduler': [{'scheduler': s, 'opt_idx': 0, 'monitor': None}]},)",
    "types.SimpleNamespace and collections.OrderedDict(optimizer=o, scheduler=s)",
    "collections.namedtuple('Parts', 'optimizer scheduler')(o, s)",
    "o, s, None",
]


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_a_scheduler_is_stepped_in_whatever_form_it_is_returned(rates_of, framework, form):
    body = f"import collections, types\n{MADE[framework]}{HALVING}return {form}"
    rates, trace = rates_of(framework, body)
    assert rates == STAIRS
    assert trace.problems == ()


@pytest.mark.parametrize(
    ("settings", "updates", "expected"),
    [
        ("'interval': 'step'", 1, STAIRS),
        ("'interval': 'epoch'", 2, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]),
        ("'frequency': 1", 3, [1.0] * 6),
        ("'interval': 'step', 'frequency': 2", 1, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]),
        # Lightning counts the updates of each epoch from its beginning: 2, and 2 of the next.
        ("'interval': 'step', 'frequency': 2", 3, [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]),
        ("'interval': 'epoch', 'frequency': 2", 1, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]),
        ("'interval': 'epoch', 'frequency': 3", 1, [1.0] * 6),
    ],
)
def test_interval_and_frequency_say_when(rates_of, settings, updates, expected):
    body = f"{MADE['torch']}{HALVING}"
    body += f"return {{'optimizer': o, 'lr_scheduler': {{'scheduler': s, {settings}}}}}"
    rates, _ = rates_of("torch", body, steps_per_epoch=updates)
    assert rates == expected


@pytest.mark.parametrize("plateau", ["", ", 'reduce_on_plateau': True"])
def test_a_monitored_scheduler_is_given_its_metrics(rates_of, plateau):
    rates, _ = rates_of(
        "torch",
        f"{MADE['torch']}s = lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0)\n"
        f"config = {{'scheduler': s, 'monitor': 'val_loss'{plateau}}}\n"
        "return {'optimizer': o, 'lr_scheduler': config, 'metrics': [1.0] * 9}",
    )
    assert rates == [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625]


REFUSED = {
    "unknown key": ("{'optimizer': o, 'scheduler': s, 'lr_sched': s}", "unknown key 'lr_sched'"),
    "unknown keys": ("{'optimizer': o, 'sched': s, 'ema': 1}", "unknown keys 'sched', 'ema'"),
    "key that is no text": ("{'optimizer': o, 'scheduler': s, 3: None}", "the unknown key 3"),
    "model": ("{'optimizer': o, 'scheduler': s, 'model': None}", "the unknown key 'model'"),
    "unknown key of a scheduler": (
        "{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'freq': 2}}",
        "the unknown key 'freq' at ['lr_scheduler']",
    ),
    "unknown key in a list": (
        "[o], [{'scheduler': s, 'every': 2}]",
        "the unknown key 'every' at [1][0]",
    ),
    "frequency of an optimizer": (
        "{'optimizer': o, 'lr_scheduler': s, 'frequency': 2}",
        "the unknown key 'frequency'",
    ),
    "number": ("o, s, 0.5", "returned 0.5 at [2], which is not used"),
    "text": ("o, s, 'step'", "returned 'step' at [2], which is not used"),
    "function": ("o, s, print", "returned builtin_function_or_method at [2]"),
    "object": ("o, s, object()", "returned object at [2]"),
    "set": ("o, {s}", "returned set at [1]"),
    "class": ("o, lr_scheduler.StepLR", "at [1], which is not used"),
    "element of a list": ("[o], [s, 7]", "returned 7 at [1][1]"),
    "optimizer of one's own": ("o, s, Wrapped()", "it steps like an optimizer, and is not one of"),
    "step that asks for more": ("o, s, Asking()", "its step() asks for epoch, loss"),
    "number as a scheduler": (
        "{'optimizer': o, 'lr_scheduler': 0.1}",
        "returned 0.1 at ['lr_scheduler'], where a scheduler is expected",
    ),
    "optimizer as a scheduler": (
        "{'optimizer': o, 'scheduler': [s, o]}",
        "SGD at ['scheduler'][1], where a scheduler is expected",
    ),
    "scheduler as an optimizer": (
        "{'optimizer': s}",
        "StepLR at ['optimizer'], where an optimizer is expected",
    ),
    "two optimizers": ("[o, other()], [s]", "returned 2 optimizers (SGD, SGD)"),
    "rates beside an optimizer": ("o, s, [0.1, 0.2]", "rates (list) beside an optimizer"),
    "twice": ("o, s, s", "the same StepLR twice"),
    "of another optimizer": ("other(), s", "StepLR drives another optimizer"),
    "interval": (
        "{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'interval': 'batch'}}",
        "['lr_scheduler']['interval'] is 'batch'",
    ),
    "frequency of 0": (
        "{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'frequency': 0}}",
        "['frequency'] is 0",
    ),
    "frequency of 1.5": (
        "{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'frequency': 1.5}}",
        "['frequency'] is 1.5",
    ),
    "plateau": (
        "{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'reduce_on_plateau': True}}",
        "['reduce_on_plateau'] is True, and StepLR.step() takes no metrics",
    ),
    "optimizer's number": (
        "{'optimizer': o, 'lr_scheduler': {'scheduler': s, 'opt_idx': 1}}",
        "['opt_idx'] is 1",
    ),
    "per and interval": (
        "{'optimizer': o, 'per': 'step', 'lr_scheduler': {'scheduler': s, 'interval': 'step'}}",
        "both 'per' and 'interval'",
    ),
    "per without a scheduler": ("{'optimizer': other(), 'per': 'step'}", "'per', and no scheduler"),
    "per of too many": ("{'optimizer': o, 'scheduler': s, 'per': ['step'] * 2}", "'per' is ['st"),
    "unused metrics": ("{'optimizer': o, 'scheduler': s, 'metrics': [1.0]}", "returned 'metrics'"),
    "save alone": ("{'optimizer': o, 'scheduler': s, 'save': dict}", "'save' without a function"),
    "load alone": ("{'optimizer': o, 'scheduler': s, 'load': print}", "'load' without a function"),
    "scheduler that is not returned": ("o", "made a StepLR for its optimizer, and build did not"),
    "scheduler lost in a mapping": ("{'optimizer': o, 'scheduler': None}", "made a StepLR for its"),
    "one of two": ("o, lr_scheduler.ExponentialLR(o, 0.9)", "made a StepLR for its optimizer"),
    "nothing": ("None", "returned None; an optimizer was expected"),
    "scheduler alone": ("s", "StepLR; an optimizer was expected"),
    "empty": ("[]", "returned None; an optimizer was expected"),
    "number alone": ("0.1", "returned 0.1; an optimizer was expected"),
}
OWN = """\
class Wrapped:
    def step(self): pass
    def zero_grad(self): pass
class Asking:
    def step(self, epoch, loss): pass
"""
OTHER = {
    "torch": "def other(): return torch.optim.SGD(parameters(), lr=0.1)\n",
    "mindspore": "def other(): return optim.SGD(parameters(), lr=0.1)\n",
}


@pytest.mark.parametrize("framework", ["torch", pytest.param("mindspore", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("returned", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_used_is_named(rates_of, framework, returned, said):
    body = f"{OWN}{OTHER[framework]}{MADE[framework]}{HALVING}return {returned}"
    with pytest.raises(ScriptUnusable) as raised:
        rates_of(framework, body)
    text = str(raised.value)
    assert said in text
    assert f"{framework}_train.py:build: " in text
    assert "\n    remedy: " in text


REACHED = {
    "inside another": "return o, lr_scheduler.SequentialLR(o, [s, s2], [2])",
    "chained": "return o, lr_scheduler.ChainedScheduler([s, s2])",
    "held by an object": "return o, Holding([s, s2])",
    "in a closure": "return o, Calling(lambda: (s.step(), s2.step()))",
    "in a partial function": "import functools\nreturn o, Calling(functools.partial(both, s, s2))",
}
HOLDING = """\
class Holding:
    def __init__(self, inner): self.inner = inner
    def step(self):
        for each in self.inner: each.step()
class Calling:
    def __init__(self, function): self.step = function
def both(one, two):
    one.step(), two.step()
"""


@pytest.mark.parametrize("body", REACHED.values(), ids=list(REACHED))
def test_a_scheduler_that_another_steps_is_not_missed(rates_of, body):
    rates, _ = rates_of(
        "torch", f"{HOLDING}{MADE['torch']}{HALVING}s2 = lr_scheduler.ExponentialLR(o, 0.9)\n{body}"
    )
    assert rates[0] == 1.0 and rates[-1] < 1.0


@pytest.mark.parametrize(
    "rates", ["[0.5, 0.25]", "(0.5, 0.25)", "torch.tensor([0.5, 0.25])", "np.array([0.5, 0.25])"]
)
def test_a_list_of_rates_may_stand_for_an_optimizer(rates_of, rates):
    body = f"import numpy as np\nreturn {rates}"
    seen, trace = rates_of("torch", body, steps=2)
    assert seen == trace.sequences["applied"].tolist() == [0.5, 0.25]
    _, trace = rates_of("torch", body, steps=3)
    assert "it ended after 2 of 3 updates: the list of rates has ended" in trace.problems[-1]


@BOTH
@pytest.mark.parametrize("rates", ["np.ones((2, 3))", "np.array(['a'])", "[0.1, None]", "[True]"])
def test_what_is_no_list_of_rates_is_not_read_as_one(rates_of, framework, rates):
    with pytest.raises(ScriptUnusable, match=r"train\.py:build: build returned"):
        rates_of(framework, f"import numpy as np\nreturn {rates}")


def test_a_module_beside_the_script_may_have_any_name(script, rates_of):
    for name in ("driver", "program", "returned", "recording", "torch_driver"):
        script(f"RATE = 0.5  # of {name}\n", f"{name}.py")
    names = "driver, program, returned, recording, torch_driver"
    rates, _ = rates_of(
        "torch", f"import {names}\nreturn torch.optim.SGD(parameters(), lr=returned.RATE)"
    )
    assert rates == [0.5] * 6


@pytest.mark.parametrize(
    "grows",
    [
        "self.o.add_param_group({'params': [torch.zeros(1, requires_grad=True)]})",
        "self.o.param_groups.append(dict(self.o.param_groups[0]))",
        "self.o.param_groups.clear()",
    ],
)
def test_groups_that_come_and_go_are_an_error(rates_of, grows):
    _, trace = rates_of(
        "torch",
        "class Growing:\n    def __init__(self, o): self.o, self.n = o, 0\n"
        f"    def step(self):\n        self.n += 1\n        if self.n == 3: {grows}\n"
        f"{MADE['torch']}return o, Growing(o)",
    )
    assert "it ended after 3 of 6 updates: the optimizer has" in trace.problems[-1]
