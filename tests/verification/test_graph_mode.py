"""A rate that is changed between two updates is observed as a compiled training sees it.

Each script trains, if it is run: a weight moves by the rate, as its gradient is 1.
"""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from helpers.command import REAL
from helpers.scripts import trace_of

from harness.verification import Training, side

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

UPDATES = 5
SCRIPT = """\
import json
import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

{context}

class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.weight = Parameter(Tensor(np.zeros(1), ms.float32), name="weight")

    def construct(self, x):
        return (self.weight * x).sum()

class Changing:
    def __init__(self, optimizer):
        self.optimizer, self.done = optimizer, 0

    def step(self):
        self.done += 1
        rate = self.optimizer.learning_rate
        rate = rate[0] if isinstance(rate, (list, tuple)) else rate
        value = Tensor(0.1 / 2**self.done, ms.float32)
        {change}

net = Net()
weights = net.trainable_params()

def build():
    optimizer = {optimizer}
    return net, optimizer, Changing(optimizer)

def cell(net, optimizer):
    return nn.TrainOneStepCell(net, optimizer)

def jit(net, optimizer):
    gradients_of = ms.value_and_grad(net, None, weights)

    def step(x):
        loss, gradients = gradients_of(x)
        optimizer(gradients)
        return loss

    return ms.jit(step)

def applied():
    net, optimizer, scheduler = build()
    train, before, rates = {training}(net, optimizer), 0.0, []
    for _ in range({updates}):
        train(Tensor(np.ones(1), ms.float32))
        now = float(net.weight.asnumpy()[0])
        rates.append(before - now)
        before = now
        scheduler.step()
    return rates

if __name__ == "__main__":
    print(json.dumps(applied()))
"""
CHANGES = {
    "set_data": "rate.set_data(value)",
    "set_data of a number": "rate.set_data(Tensor(float(value.asnumpy()), ms.float32))",
    "assign": "ops.assign(rate, value)",
    "Assign": "ops.Assign()(rate, value)",
    "assign_sub": "ops.assign_sub(rate, rate - value)",
}
OPTIMIZERS = {
    "SGD": "nn.SGD(weights, 0.1)",
    "Momentum": "nn.Momentum(weights, 0.1, 0.0)",
    "groups": "nn.SGD([{'params': weights, 'lr': 0.1}], 0.5)",
}
CELL = ("ms.set_context(mode=ms.GRAPH_MODE)", "cell", None)
JIT = ("", "jit", None)
JIT_IN_GRAPH_MODE = ("ms.set_context(mode=ms.GRAPH_MODE)", "jit", "jit")
CELL_BY_OPTION = ("if __name__ == '__main__': ms.set_context(mode=ms.GRAPH_MODE)", "cell", "graph")
WAYS = {
    "cell": CELL,
    "jit": JIT,
    "jit in graph mode": JIT_IN_GRAPH_MODE,
    "cell by option": CELL_BY_OPTION,
}
TRIED = [
    *((way, change, "SGD") for way in WAYS for change in CHANGES),
    *((way, "set_data", optimizer) for way in WAYS for optimizer in ("Momentum", "groups")),
    *(
        (way, "assign", optimizer)
        for way in ("cell", "jit")
        for optimizer in ("Momentum", "groups")
    ),
]
QUICK = (
    ("cell", "set_data", "SGD"),
    ("jit", "set_data", "SGD"),
    ("cell", "assign", "SGD"),
    ("jit", "assign", "groups"),
    ("jit in graph mode", "set_data", "Momentum"),
    ("cell by option", "set_data", "groups"),
)


def parameter(tried):
    return pytest.param(*tried, marks=[] if tried in QUICK else [pytest.mark.slow])


@pytest.mark.parametrize(("way", "change", "optimizer"), list(map(parameter, TRIED)))
def test_applied_is_what_a_real_training_applies(script, way, change, optimizer):
    context, training, mode = WAYS[way]
    path = script(
        SCRIPT.format(
            context=context,
            change=CHANGES[change],
            optimizer=OPTIMIZERS[optimizer],
            training=training,
            updates=UPDATES,
        )
    )
    done = subprocess.run([REAL, path], capture_output=True, text=True, check=True)
    real = json.loads(done.stdout.splitlines()[-1])
    for applied in (True, False):
        one = side("mindspore", path, mode=mode)
        trace = trace_of(one, Training(UPDATES, applied=applied))
        for rates in trace.sequences.values():
            np.testing.assert_allclose(rates, real, rtol=1e-5)
        said = any("changed by set_data" in problem for problem in trace.problems)
        assert said == ("set_data" in change)
