"""Small training scripts, right and wrong, as texts."""

from __future__ import annotations

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


def late(happens: str) -> str:
    """A script in which something happens as its scheduler is stepped for the 50th time."""
    return LATE.format(happens=happens)
