"""A translation is of a call. Where the script that has the call does anything else, it is said."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from harness.translation.reading import Length, read
from harness.translation.source import in_file

EPOCHS = Length(24, 3, per_step=False, is_said=True)
UPDATES = Length(24, 3, per_step=True, is_said=True)
HEAD = """\
import torch
from torch import nn, optim
from torch.optim import SGD
from torch.optim.lr_scheduler import *
from torch.optim.lr_scheduler import ExponentialLR, StepLR

net = nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
"""
MADE = HEAD + "scheduler = StepLR(optimizer, 2)\n"
TRAINING = """\
for epoch in range(8):
    for batch in loader:
        optimizer.zero_grad()
        net(batch).sum().backward()
        optimizer.step()
    scheduler.step()
"""


def differences(tmp_path, text, length=EPOCHS, lr=None, given=None):
    """What is said of the schedules of a script, in one text."""
    path = tmp_path / "train.py"
    path.write_text(dedent(text), encoding="utf-8")
    found = [read(written, length, lr) for written in in_file(path, None, given or {})]
    return "\n".join(each for original in found for each in original.differences)


def inside(function, text):
    return f"{function}\n{indent(text, '    ')}"


FAITHFUL = {
    "a script from top to bottom": MADE + TRAINING,
    "with a guard": HEAD
    + inside("def main():", "scheduler = StepLR(optimizer, 2)\n" + TRAINING)
    + "\nif __name__ == '__main__':\n    main()\n",
    "functions that are given the optimizer": HEAD
    + """
def train(net, opt, loader):
    for batch in loader:
        opt.zero_grad()
        net(batch).backward()
        opt.step()

scheduler = StepLR(optimizer, 2)
for epoch in range(8):
    train(net, optimizer, loader)
    print(optimizer.param_groups[0]["lr"], scheduler.get_last_lr()[0])
    scheduler.step()
""",
    "a function that returns what is trained with": """
import torch
def build():
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    return net, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)
def main(args):
    net, optimizer, scheduler = build()
    for epoch in range(args.epochs):
        for batch in range(3):
            optimizer.step()
        scheduler.step()
if __name__ == "__main__":
    main(parse())
""",
    "a trainer class": HEAD
    + """
class Trainer:
    def __init__(self, net):
        self.net = net
        self.optimizer = optim.SGD(self.net.parameters(), lr=0.2)
        self.scheduler = StepLR(self.optimizer, 2)
    def epoch(self):
        for batch in loader:
            self.optimizer.zero_grad()
            self.optimizer.step()
    def fit(self):
        for epoch in range(8):
            self.epoch()
            self.scheduler.step()
Trainer(net).fit()
""",
    "a trainer that another file makes": HEAD
    + """
class Trainer(object):
    def __init__(self, net):
        self.optimizer = optim.SGD(net.parameters(), lr=0.2)
        self.scheduler = StepLR(self.optimizer, 2)
    def fit(self):
        for epoch in range(8):
            for batch in loader:
                self.optimizer.step()
            self.scheduler.step()
""",
    "early stopping": MADE + TRAINING + "    if done(epoch):\n        break\n",
    "mixed precision": MADE
    + """
scaler = torch.amp.GradScaler()
for epoch in range(8):
    for batch in loader:
        with torch.autocast("cuda"):
            loss = net(batch).sum()
        if use_amp:
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()
    scheduler.step()
""",
    "accumulated gradients": MADE
    + """
for epoch in range(8):
    for i, batch in enumerate(loader):
        net(batch).backward()
        if (i + 1) % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
    scheduler.step()
""",
    "a schedule that may be absent": HEAD
    + """
scheduler = None
if args.decay:
    scheduler = StepLR(optimizer, 2)
for epoch in range(8):
    for batch in loader:
        optimizer.step()
    if scheduler is not None:
        scheduler.step()
""",
    "only evaluated, or trained": HEAD
    + """
def main():
    scheduler = StepLR(optimizer, 2)
    if args.evaluate:
        validate(net)
        return
    for epoch in range(8):
        for batch in loader:
            optimizer.step()
        scheduler.step()
        torch.save({"net": net.state_dict(), "opt": optimizer.state_dict()}, "a.pt")
main()
""",
    "two trainings with an optimizer each": HEAD
    + """
other = torch.optim.SGD(critic.parameters(), lr=0.1)
one, two = StepLR(optimizer, 2), StepLR(other, 3)
for epoch in range(8):
    for batch in loader:
        optimizer.step()
        other.step()
    for each in (one, two):
        each.step()
""",
    "parts of a composition": HEAD
    + """
warm = LinearLR(optimizer, 0.1, total_iters=2)
rest = ExponentialLR(optimizer, 0.9)
scheduler = SequentialLR(optimizer, [warm, rest], milestones=[2])
"""
    + TRAINING,
    "an argument of the functions": HEAD
    + """
def step_all(things):
    things["opt"].step()
    things["sched"].step()
def epoch(o, s=None):
    for batch in loader:
        o.step()
    if s:
        s.step()
scheduler = StepLR(optimizer, 2)
for _ in range(8):
    epoch(optimizer, s=scheduler)
""",
    "a while loop": MADE
    + """
epoch = 0
while epoch < 8:
    for batch in loader:
        optimizer.step()
    scheduler.step()
    epoch += 1
""",
    "an error is raised": MADE
    + """
for epoch in range(8):
    for batch in loader:
        loss = net(batch)
        if not finite(loss):
            raise ValueError(loss)
        optimizer.step()
    scheduler.step()
""",
    "wrapped by others": HEAD
    + """
@hydra.main(config_path=".")
def main(cfg):
    scheduler = StepLR(optimizer, 2)
    try:
        for epoch in range(8):
            for batch in loader:
                optimizer.step()
            scheduler.step()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        writer.close()
main()
""",
    "a nested function": HEAD
    + """
def main():
    scheduler = StepLR(optimizer, 2)
    def one_epoch():
        for batch in loader:
            optimizer.step()
    for epoch in range(8):
        one_epoch()
        scheduler.step()
main()
""",
    "modules by other names": """
import torch as t
import torch.optim as o
import torch.optim.lr_scheduler as s
net = t.nn.Linear(2, 2)
optimizer = o.SGD(net.parameters(), lr=0.2)
scheduler = s.StepLR(optimizer, 2)
"""
    + TRAINING,
    "weights picked out": MADE.replace(
        "net.parameters()", "[p for p in net.parameters() if p.requires_grad]"
    )
    + TRAINING,
    "the optimizer of a schedule": MADE
    + TRAINING
    + "    print(scheduler.optimizer.param_groups[0]['lr'])\n",
    "asked for by its type": MADE
    + TRAINING.replace(
        "    scheduler.step()",
        "    assert isinstance(scheduler, StepLR)\n    scheduler.step()",
    ),
}


@pytest.mark.parametrize("text", FAITHFUL.values(), ids=FAITHFUL)
def test_a_script_that_drives_the_schedule_as_its_translation_is_driven_has_no_difference(
    tmp_path, text
):
    assert differences(tmp_path, text) == ""


EACH = """
for epoch in range(8):
    for batch in loader:
        optimizer.step()
        scheduler.step()
"""
FAITHFUL_PER_UPDATE = {
    "after each": MADE + EACH,
    "both skipped": MADE
    + """
for epoch in range(8):
    for batch in loader:
        if batch is None:
            continue
        optimizer.step()
        scheduler.step()
""",
    "both where gradients are full": MADE
    + """
for epoch in range(8):
    for i, batch in enumerate(loader):
        if i % 4 == 3:
            optimizer.step()
            scheduler.step()
""",
    "a function for a batch": MADE
    + """
def one(batch):
    optimizer.step()
    scheduler.step()
for epoch in range(8):
    for batch in loader:
        one(batch)
""",
    "a closure": MADE
    + """
for epoch in range(8):
    for batch in loader:
        def closure():
            return net(batch).sum()
        optimizer.step(closure)
        scheduler.step()
""",
}


@pytest.mark.parametrize("text", FAITHFUL_PER_UPDATE.values(), ids=FAITHFUL_PER_UPDATE)
def test_a_script_that_steps_after_each_update_has_no_difference_with_per_step(tmp_path, text):
    assert differences(tmp_path, text, UPDATES) == ""
    assert "after each update: add --per-step" in differences(tmp_path, text)


def epochs(body):
    return MADE + "for epoch in range(8):\n" + indent(dedent(body), "    ")


UPDATES_OF_AN_EPOCH = "for batch in loader:\n    optimizer.step()\n"
DIFFERENT = {
    "stepped under a condition": [
        (epochs(UPDATES_OF_AN_EPOCH + "if epoch > 2:\n    scheduler.step()\n"), "under a cond"),
        (epochs(UPDATES_OF_AN_EPOCH + "epoch > 2 and scheduler.step()\n"), "under a condition"),
        (epochs(UPDATES_OF_AN_EPOCH + "if epoch < 3:\n    continue\nscheduler.step()\n"), "cond"),
        (epochs(UPDATES_OF_AN_EPOCH + "scheduler.step() if epoch > 2 else None\n"), "condition"),
        (
            epochs(UPDATES_OF_AN_EPOCH + "match epoch:\n    case 3:\n        scheduler.step()\n"),
            "under a condition",
        ),
        (
            epochs(
                UPDATES_OF_AN_EPOCH
                + "try:\n    check()\nexcept OSError:\n    pass\nelse:\n    scheduler.step()\n"
            ),
            "under a condition",
        ),
        (MADE + EACH.replace("optimizer.step()", "if ok:\n            optimizer.step()"), "the st"),
    ],
    "stepped before the updates": [
        (epochs("scheduler.step()\n" + UPDATES_OF_AN_EPOCH), "before the updates of its epoch"),
        (
            MADE
            + """
for epoch in range(8):
    for batch in loader:
        scheduler.step()
        optimizer.step()
""",
            "before the optimizer's update",
        ),
        (
            MADE
            + inside("def train():", UPDATES_OF_AN_EPOCH)
            + "\nfor epoch in range(8):\n    scheduler.step()\n    train()\n",
            "before the updates of its epoch",
        ),
        (epochs(UPDATES_OF_AN_EPOCH + "scheduler.step()\noptimizer.step()\n"), "before another"),
    ],
    "stepped too often": [
        (epochs(UPDATES_OF_AN_EPOCH + "scheduler.step()\nscheduler.step()\n"), "a second step"),
        (epochs(UPDATES_OF_AN_EPOCH + "for _ in range(2):\n    scheduler.step()\n"), "more than"),
        (MADE + "scheduler.step()\n" + TRAINING, "is apart from the updates"),
        (MADE + EACH + "    scheduler.step()\n", "is apart from the updates"),
        (
            MADE + EACH.replace("        scheduler", "        scheduler.step()\n        scheduler"),
            "a second step",
        ),
    ],
    "stepped too rarely": [
        (
            MADE + EACH.replace("        scheduler", "        optimizer.step()\n        scheduler"),
            "is a second update",
        ),
        (MADE + "for batch in loader:\n    optimizer.step()\n" + TRAINING, "apart from the steps"),
        (MADE + UPDATES_OF_AN_EPOCH, "is never stepped"),
        (MADE, "is never stepped"),
        (HEAD + "StepLR(optimizer, 2)\n", "is never stepped"),
    ],
    "stepped with an argument": [
        (epochs(UPDATES_OF_AN_EPOCH + "scheduler.step(epoch)\n"), "is given an argument"),
        (epochs(UPDATES_OF_AN_EPOCH + "scheduler.step(epoch=epoch)\n"), "is given an argument"),
        (MADE + EACH.replace("scheduler.step()", "scheduler.step(epoch + 0.5)"), "an argument"),
    ],
    "never updated": [
        (epochs("scheduler.step()\n"), "no update of the optimizer"),
        (epochs("for batch in loader:\n    scheduler.step()\n"), "no update of the optimizer"),
        (epochs("net.step()\nscheduler.step()\n"), "no update of the optimizer"),
    ],
    "another schedule on the optimizer": [
        (
            HEAD
            + "scheduler = StepLR(optimizer, 2)\nb = ExponentialLR(optimizer, 0.9)\n"
            + TRAINING,
            "acts on the same optimizer",
        ),
        (
            HEAD
            + "import timm\nscheduler = StepLR(optimizer, 2)\nw = timm.Warm(optimizer)\n"
            + TRAINING,
            "is given its optimizer",
        ),
        (
            HEAD
            + "scheduler = StepLR(optimizer, 2)\nw = Warm(optimizer, 5, scheduler)\n"
            + TRAINING,
            "is given the schedule",
        ),
        (
            HEAD + "from functools import partial\nmake = partial(ExponentialLR, gamma=0.9)\n"
            "scheduler = StepLR(optimizer, 2)\nother = make(optimizer)\n" + TRAINING,
            "does something else with ExponentialLR",
        ),
        (
            HEAD
            + "def warm(o):\n    return ExponentialLR(o, 0.9)\nscheduler = StepLR(optimizer, 2)\n"
            "other = warm(optimizer)\n" + TRAINING,
            "acts on the same optimizer",
        ),
    ],
    "rates written": [
        (epochs("optimizer.param_groups[0]['lr'] = 0.1\n" + UPDATES_OF_AN_EPOCH), "change the r"),
        (epochs("for g in optimizer.param_groups:\n    g['lr'] *= 0.5\n"), "may change the rates"),
        (
            epochs("for g in scheduler.optimizer.param_groups:\n    g.update(lr=1)\n"),
            "what it does",
        ),
        (epochs("groups = optimizer.param_groups\ngroups[0]['lr'] = 1\n"), "may change the rates"),
        (epochs("optimizer.param_groups[0].update({'lr': 1})\n"), "what it does"),
        (epochs("adjust(optimizer, epoch)\n"), "is given its optimizer"),
        (epochs("setattr(optimizer, 'x', 1)\n"), "is given its optimizer"),
        (epochs("optimizer.add_param_group({'params': []})\n"), "may change the rates"),
        (epochs("optimizer.load_state_dict(torch.load('a'))\n"), "loads the state"),
        (epochs("optimizer.param_groups[0]['lr'].mul_(0.5)\n"), "may change the rates"),
        (epochs("scheduler.last_epoch = 5\n"), "may change the schedule"),
        (epochs("scheduler.base_lrs[0] = 5\n"), "what it does"),
        (epochs("vars(optimizer)\n"), "is given its optimizer"),
        (epochs("exec('optimizer.param_groups[0][\"lr\"] = 1')\n"), "may change any rate"),
    ],
    "several schedules to choose from": [
        (
            HEAD + "if a:\n    scheduler = StepLR(optimizer, 2)\nelse:\n"
            "    scheduler = ExponentialLR(optimizer, 0.9)\n" + TRAINING,
            "chooses between",
        ),
        (
            HEAD
            + "scheduler = StepLR(optimizer, 2) if a else ExponentialLR(optimizer, 0.9)\n"
            + TRAINING,
            "chooses between",
        ),
        (
            HEAD + "match a:\n    case 1:\n        scheduler = StepLR(optimizer, 2)\n    case _:\n"
            "        scheduler = ExponentialLR(optimizer, 0.9)\n" + TRAINING,
            "chooses between",
        ),
        (
            HEAD
            + "scheduler = {'a': StepLR(optimizer, 2), 'b': ExponentialLR(optimizer, 1.0)}[a]\n"
            + TRAINING,
            "acts on the same optimizer",
        ),
        (
            HEAD + "def make():\n    if a:\n        return StepLR(optimizer, 2)\n"
            "    return ExponentialLR(optimizer, 0.9)\nscheduler = make()\n" + TRAINING,
            "chooses between",
        ),
    ],
    "groups with rates of their own": [
        (
            MADE.replace("net.parameters()", "[{'params': a, 'lr': 1.0}, {'params': b}]")
            + TRAINING,
            "groups rates of their own",
        ),
        (MADE.replace("net.parameters()", "groups(net)") + TRAINING, "may give groups rates"),
        (MADE.replace("net.parameters()", "[dict(params=a, lr=1.0)]") + TRAINING, "may give grou"),
        (MADE.replace("net.parameters()", "params=weights") + TRAINING, "may give groups rates"),
        (
            MADE.replace(
                "optimizer = torch", "g = [{'params': a, 'lr': 1.0}]\noptimizer = torch"
            ).replace("net.parameters()", "g")
            + TRAINING,
            "groups rates of their own",
        ),
        (MADE.replace("lr=0.2", "lr=0.2, **more") + TRAINING, "may have another rate"),
    ],
    "made anew": [
        (
            HEAD + "for epoch in range(8):\n    scheduler = StepLR(optimizer, 2)\n"
            "    for batch in loader:\n        optimizer.step()\n    scheduler.step()\n",
            "anew in each",
        ),
        (
            HEAD + "def epoch():\n    scheduler = StepLR(optimizer, 2)\n    for b in loader:\n"
            "        optimizer.step()\n    scheduler.step()\nwhile True:\n    epoch()\n",
            "anew in each",
        ),
        (MADE + TRAINING + "    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n", "gives"),
    ],
    "an optimizer that is not known": [
        (
            MADE.replace("torch.optim.SGD(net.parameters(), lr=0.2)", "make(net)") + TRAINING,
            "rate and groups are not known",
        ),
        (MADE.replace("torch.optim.SGD", "Mine") + TRAINING, "rate and groups are not known"),
        (
            HEAD + "def main(opt):\n    s = StepLR(opt, 2)\n    for e in range(8):\n"
            "        for b in loader:\n            opt.step()\n        s.step()\n",
            "rate and groups are not known",
        ),
        (
            HEAD + "if a:\n    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)\n"
            "scheduler = StepLR(optimizer, 2)\n" + TRAINING,
            "chooses between",
        ),
    ],
    "given away": [
        (
            HEAD + "class Lit(pl.LightningModule):\n    def configure_optimizers(self):\n"
            "        o = optim.SGD(net.parameters(), 0.2)\n        return [o], [StepLR(o, 2)]\n",
            "returns the schedule to a caller",
        ),
        (
            HEAD + "trainer = Trainer(net, optimizers=(optimizer, StepLR(optimizer, 2)))\n",
            "is given the schedule",
        ),
        (
            MADE + "engine.add_event_handler('epoch', lambda _: scheduler.step())\n" + TRAINING,
            "is called, which has the schedule, is not known",
        ),
        (
            MADE
            + "net, optimizer, scheduler = accelerator.prepare(net, optimizer, scheduler)\n"
            + TRAINING,
            "is given the schedule",
        ),
        (MADE + "hooks.append(scheduler)\n" + TRAINING, "is given the schedule"),
        (
            HEAD + "class Lit(pl.LightningModule):\n    def __init__(self):\n"
            "        self.o = SGD(net.parameters(), 0.2)\n        self.s = StepLR(self.o, 2)\n"
            "    def end(self):\n        for b in loader:\n            self.o.step()\n"
            "        self.s.step()\n",
            "base class `pl.LightningModule`",
        ),
        (
            HEAD + "class T:\n    def __init__(self):\n"
            "        self.o = SGD(net.parameters(), 0.2)\n        self.s = StepLR(self.o, 2)\n"
            "    def batch(self):\n        self.o.step()\n"
            "    def end(self):\n        self.s.step()\n",
            "order is not known",
        ),
        (
            HEAD
            + "@repeat(3)\ndef batch():\n    optimizer.step()\nscheduler = StepLR(optimizer, 2)\n"
            "for e in range(8):\n    for b in loader:\n        batch()\n    scheduler.step()\n",
            "`@repeat",
        ),
    ],
    "another class under its name": [
        (
            HEAD + "class Mine(StepLR):\n    pass\nscheduler = StepLR(optimizer, 2)\n" + TRAINING,
            "does something else with StepLR",
        ),
        (MADE + "torch.optim.lr_scheduler.StepLR.get_lr = mine\n" + TRAINING, "something else"),
        (
            HEAD + "import torch.optim.lr_scheduler as s\ns.StepLR = Mine\n"
            "scheduler = s.ExponentialLR(optimizer, 0.9)\n" + TRAINING,
            "something else with s.StepLR",
        ),
    ],
    "bound anew by a star import": [
        (
            MADE.replace("net =", "from models import *\nnet =", 1) + TRAINING,
            "from models import *",
        ),
        (
            "import torch\nfrom models import *\nnet = torch.nn.Linear(2, 2)\n"
            "optimizer = torch.optim.SGD(net.parameters(), lr=0.2)\n"
            "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)\n" + TRAINING,
            "`torch` may be bound anew: line 2 has `from models import *`",
        ),
        (MADE + "from .models import *\n" + TRAINING, "from .models import *"),
    ],
    "not as long as was said": [
        (MADE + TRAINING.replace("loader", "range(5)"), "an epoch of the script has 5 updates"),
        (MADE + TRAINING.replace("loader", "range(300)"), "has 300 updates, not 3"),
        (
            MADE + "for epoch in range(8):\n    for b in range(2):\n        optimizer.step()\n"
            "    scheduler.step()\n",
            "has 2 updates, not 3",
        ),
    ],
}
CASES = [(text, what) for cases in DIFFERENT.values() for text, what in cases]
IDS = [f"{name} {n}" for name, cases in DIFFERENT.items() for n, _ in enumerate(cases, 1)]


@pytest.mark.parametrize(("text", "what"), CASES, ids=IDS)
def test_what_else_a_script_does_is_a_difference(tmp_path, text, what):
    assert what in differences(tmp_path, text, lr=0.2)


@pytest.mark.parametrize(
    "body",
    [
        "if epoch == 3:\n    optimizer.step()\n    break\n",
        "if bad:\n    scheduler.step()\n    raise ValueError\n",
        "try:\n    check()\nexcept OSError:\n    optimizer.step()\n    raise\n",
    ],
)
def test_what_is_done_before_a_training_ends_counts_too(tmp_path, body):
    text = MADE + "for epoch in range(8):\n" + indent(body + UPDATES_OF_AN_EPOCH, "    ")
    assert differences(tmp_path, text + "    scheduler.step()\n")


AWAY = """
import helper
import contextlib
for epoch in range(8):
    {0}
    for batch in loader:
        optimizer.step()
    scheduler.step()
"""


@pytest.mark.parametrize(
    "away",
    [
        "helper.scheduler = scheduler; helper.end()",
        "config = load(); config.optimizer = optimizer; config.end()",
        "things = {'o': optimizer}; things['o'] = None",
        "scheduler = scheduler if epoch else helper.made",
        "optimizer = helper.made if epoch else optimizer",
        "helper.step(optimizer)",
        "adjuster.step(optimizer)",
        "monitor.step(scheduler)",
        "run = optimizer.step; run()",
        "run = [scheduler.step]; run[0]()",
        "(yield_ := scheduler).step()",
        "helper.end(*[optimizer])",
        "helper.end(**{'o': optimizer})",
        "getattr(scheduler, 'step')()",
        "type(scheduler).step(scheduler)",
        "scheduler._step_count = 0",
        "del optimizer.param_groups[0]['lr']",
        "optimizer.param_groups = groups",
        "optimizer.param_groups[0] |= {'lr': 1}",
        "map(lambda g: g.update(lr=1), optimizer.param_groups)",
        "[g.update(lr=1) for g in optimizer.param_groups]",
        "optimizer.__dict__.update(a=1)",
        "optimizer.defaults['lr'] = 1",
        "optimizer.register_step_post_hook(hook)",
        "copy.copy(scheduler).step()",
        "optimizer.__setstate__(state)",
    ],
)
def test_what_is_done_out_of_sight_is_a_difference(tmp_path, away):
    assert differences(tmp_path, MADE + AWAY.format(away))


@pytest.mark.parametrize(
    "text",
    [
        "def end(s=scheduler):\n    s.step()\n" + AWAY.format("end()"),
        "end = lambda s=scheduler: s.step()\n" + AWAY.format("end()"),
        "class Config:\n    s = scheduler\n" + AWAY.format("Config.s.step()"),
        "class T:\n    def __init__(self):\n        self.s = scheduler\n        if a:\n"
        "            self.s = ExponentialLR(optimizer, 0.5)\nt = T()\n" + TRAINING,
        "if a:\n    scheduler = helper.made\n" + TRAINING,
        "if a:\n    scheduler = None\n" + AWAY.format("if scheduler:\n        scheduler.step()"),
        AWAY.format("with contextlib.suppress(E): optimizer.step()"),
        AWAY.format("for each in (scheduler, net):\n        if a: break\n        each.step()"),
        AWAY.format("for a in b:\n        if a: break\n    else:\n        scheduler.step()"),
        "def early():\n    for b in loader:\n        optimizer.step()\n        if b: return\n"
        "    scheduler.step()\nfor epoch in range(8):\n    early()\n",
        "try:\n    scheduler = ExponentialLR(optimizer, 0.9)\nexcept E:\n    pass\n" + TRAINING,
        "def end():\n    scheduler.step()\nhooks.append(end)\nfor epoch in range(8):\n"
        "    for b in loader:\n        optimizer.step()\n    end()\n",
        "end = lambda: scheduler.step()\nhooks.append(end)\nfor epoch in range(8):\n"
        "    for b in loader:\n        optimizer.step()\n    end()\n",
        "for epoch in range(8):\n    for b in loader:\n        optimizer.step()\n"
        "    scheduler and a and scheduler.step()\n",
        "for epoch in range(8):\n    for b in loader:\n        optimizer.step()\n"
        "    [s.step() for s in (scheduler,) if a]\n",
        "for epoch in range(8):\n    for b in loader:\n        optimizer.step()\n"
        "    any(s.step() for s in (scheduler,))\n",
        "for epoch in range(8):\n    for b in loader:\n        optimizer.step()\n"
        "    match a:\n        case 1:\n            continue\n    scheduler.step()\n",
        "for epoch in range(8):\n    try:\n        optimizer.step()\n        continue\n"
        "    except E:\n        optimizer.step()\n    scheduler.step()\n",
        "for epoch in range(8):\n    for b in loader:\n        optimizer.step()\n"
        "    if a:\n        break\n    scheduler.step()\n" + TRAINING,
    ],
)
def test_what_is_done_in_a_roundabout_way_is_a_difference(tmp_path, text):
    assert differences(tmp_path, MADE + text)


@pytest.mark.parametrize(
    ("call", "given", "what"),
    [
        ("StepLR(optimizer, size)", {"size": 5}, "the script has size = 2, and --set says 5"),
        ("StepLR(optimizer, size * 2)", {"size": 3}, "the script has size = 2, and --set says 3"),
        ("LambdaLR(optimizer, lambda t: size / 2 + t)", {"size": 1}, "and --set says 1"),
        ("StepLR(optimizer, size)", {"size": 2}, ""),
        ("StepLR(optimizer, args.size)", {"args.size": 2}, ""),
    ],
)
def test_a_value_that_is_given_against_the_script_is_a_difference(tmp_path, call, given, what):
    text = HEAD + f"size = 2\nscheduler = {call}\n" + TRAINING
    said = differences(tmp_path, text, given=given)
    assert what in said and bool(said) is bool(what)


@pytest.mark.parametrize("lr", [0.1, 0.3, 2.0])
def test_a_rate_that_is_given_against_the_script_is_a_difference(tmp_path, lr):
    said = differences(tmp_path, MADE + TRAINING, lr=lr)
    assert f"train.py:8: the script's optimizer has lr 0.2, and --lr says {lr}" in said
    assert not differences(tmp_path, MADE + TRAINING, lr=0.2)


def test_a_script_that_steps_at_two_paces_is_said_to(tmp_path):
    assert "after an update, and on line" in differences(tmp_path, MADE + TRAINING + EACH, UPDATES)


MINDSPORE = """\
import mindspore as ms
from mindspore import nn
from mindspore.nn import ExponentialDecayLR, exponential_decay_lr

net = nn.Dense(2, 2)
rate = nn.ExponentialDecayLR(0.1, 0.9, 3, True)
rates = exponential_decay_lr(0.1, 0.9, 24, 3, 1)
"""
GIVEN = """\
optimizer = nn.Momentum(net.trainable_params(), {0}, 0.9)
step = nn.TrainOneStepCell(nn.WithLossCell(net, loss), optimizer)
for batch in data:
    step(*batch)
"""


@pytest.mark.parametrize(
    "used",
    [
        GIVEN.format("rate"),
        GIVEN.format("learning_rate=rate").replace(", 0.9", ", momentum=0.9"),
        "model = ms.Model(net, loss, nn.SGD(net.trainable_params(), rate))\nmodel.train(8, data)\n",
        "optimizer = nn.SGD(net.trainable_params(), rate)\ndef train(grads):\n"
        "    optimizer(grads)\ntrain(g)\n",
        "print(rate)\n" + GIVEN.format("rate"),
    ],
)
def test_a_cell_that_one_optimizer_looks_up_has_no_difference(tmp_path, used):
    text = MINDSPORE.replace("rates = exponential_decay_lr(0.1, 0.9, 24, 3, 1)\n", "") + used
    assert differences(tmp_path, text) == ""
    text = MINDSPORE.replace("rate = nn.ExponentialDecayLR(0.1, 0.9, 3, True)\n", "") + used
    assert differences(tmp_path, text.replace("rate)", "rates)").replace("rate,", "rates,")) == ""


@pytest.mark.parametrize(
    ("used", "what"),
    [
        ("for e in range(8):\n    lr = rate(ms.Tensor(e))\n", "looks the rate up itself"),
        (GIVEN.format("rate") + "for e in range(8):\n    print(rate(e))\n", "looks the rate up"),
        (GIVEN.format("rates[0]"), "is given the schedule"),
        (GIVEN.format("rates + warm"), "is given the schedule"),
        (GIVEN.format("[0.1] * 5 + rates"), "is given the schedule"),
        (GIVEN.format("ms.Tensor(rates)"), "is given the schedule"),
        (GIVEN.format("0.1"), "is given to no optimizer"),
        ("rates.extend(more)\n" + GIVEN.format("rates"), "is given the schedule"),
        (GIVEN.format("rate") + "b = nn.SGD(other.trainable_params(), rate)\n", "a second optim"),
        (GIVEN.format("Mine(rate)"), "is given the schedule"),
        (GIVEN.format("rate if a else rates"), "chooses between"),
        (GIVEN.format("rate") + "optimizer.learning_rate = 0.1\n", "may change the rates"),
        (GIVEN.format("rate") + "ms.ops.assign(optimizer.learning_rate, 1)\n", "what it does"),
        (GIVEN.format("rate") + "ms.load_param_into_net(optimizer, p)\n", "is given its optimizer"),
        (GIVEN.format("rate") + "adjust(optimizer)\n", "is given its optimizer"),
        (
            "optimizer = nn.SGD([{'params': a, 'lr': rate}, {'params': b}], 0.1)\n",
            "is given the schedule",
        ),
        (
            "optimizer = nn.SGD([{'params': a, 'lr': 0.1}, {'params': b}], rate)\n",
            "groups rates of their own",
        ),
        (
            "def make():\n    return nn.SGD(net.trainable_params(), rate)\n",
            "returns its optimizer to a caller",
        ),
    ],
)
def test_what_else_is_done_with_a_cell_or_a_list_is_a_difference(tmp_path, used, what):
    path = tmp_path / "train.py"
    path.write_text(MINDSPORE + used, encoding="utf-8")
    found = [read(written, EPOCHS, None) for written in in_file(path, None, {})]
    name = "exponential_decay_lr" if "rates" in used else "ExponentialDecayLR"
    (one,) = [original for original in found if original.api.endswith(name)]
    assert what in "\n".join(one.differences)


def test_an_experimental_scheduler_of_mindspore_is_followed_as_one_of_torch(tmp_path):
    text = """
        from mindspore import nn
        from mindspore.experimental import optim
        net = nn.Dense(2, 2)
        optimizer = optim.SGD(net.trainable_params(), lr=0.1)
        scheduler = optim.lr_scheduler.StepLR(optimizer, 2)
        def train_step(batch):
            loss, grads = grad_fn(batch)
            optimizer(grads)
        for epoch in range(8):
            for batch in data:
                train_step(batch)
            scheduler.step()
        """
    assert differences(tmp_path, text) == ""
    early = dedent(text).replace("    for batch in", "    scheduler.step()\n    for batch in")
    assert "before the updates" in differences(
        tmp_path, early.removesuffix("    scheduler.step()\n")
    )
