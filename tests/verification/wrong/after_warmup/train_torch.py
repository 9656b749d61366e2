import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR


def build():
    optimizer = torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1, momentum=0.9)
    warmup = LinearLR(optimizer, start_factor=0.1, total_iters=40)
    rest = CosineAnnealingLR(optimizer, T_max=160)
    schedule = SequentialLR(optimizer, [warmup, rest], milestones=[40])
    return {"optimizer": optimizer, "scheduler": schedule, "per": "step"}
