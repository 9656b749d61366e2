"""Small training scripts, right and wrong, as texts; and what one of them shows."""

from __future__ import annotations

import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from harness.traces.trace import Trace
from harness.verification import Side, Training
from harness.verification.running import Running

TORCH = """\
import torch

def build():
    optimizer = torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1, momentum=0.9)
    return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
"""
LATE = """\
import torch

class Late:
    def __init__(self, optimizer):
        self.optimizer, self.done = optimizer, 0

    def step(self):
        self.done += 1
        if self.done == 50:
            {happens}
        self.optimizer.param_groups[0]["lr"] *= 0.9

def build():
    optimizer = torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1)
    return optimizer, Late(optimizer)
"""


def torch_script(body: str) -> str:
    """A PyTorch script with this body of its `build`."""
    return (
        "import torch\nfrom torch.optim import lr_scheduler\n\n"
        "def parameters():\n    return torch.nn.Linear(3, 2).parameters()\n\n"
        f"def build():\n{textwrap.indent(body, '    ')}\n"
    )


def mindspore_script(body: str) -> str:
    """A MindSpore script with this body of its `build`."""
    return (
        "import mindspore as ms\nimport numpy as np\nfrom mindspore import Tensor, nn, ops\n"
        "from mindspore.experimental import optim\n"
        "from mindspore.experimental.optim import lr_scheduler\n\n"
        "def parameters():\n    return nn.Dense(3, 2).trainable_params()\n\n"
        f"def build():\n{textwrap.indent(body, '    ')}\n"
    )


def late(happens: str) -> str:
    """A script in which something happens as its scheduler is stepped for the 50th time."""
    return LATE.format(happens=happens)


def trace_of(side: Side, training: Training, time_limit: float = 60.0) -> Trace:
    """Run one script alone, and return its trace."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Running(side, training, time_limit, Path(folder, "only")) as running,
    ):
        while running.is_running:
            running.look()
            time.sleep(0.01)
        return running.trace()


def wait_for(what: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until `what` returns something true; fail after some seconds."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)
