"""A training whose rate falls too early: the schedule is stepped before an epoch's updates."""

import torch
from data import EPOCHS

net = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)

for _ in range(EPOCHS):
    scheduler.step()
    for _ in range(3):
        optimizer.step()
