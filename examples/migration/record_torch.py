"""The PyTorch training with its learning rates recorded; the lines of the recorder are new."""

import torch
from data import EPOCHS, STEPS_PER_EPOCH, batches
from lr_recorder import Recorder
from torch import nn
from train_torch import build

net, optimizer, scheduler = build()
recorder = Recorder(optimizer, "torch.jsonl", steps_per_epoch=STEPS_PER_EPOCH, scheduler=scheduler)
for _ in range(EPOCHS):
    for images, labels in batches():
        optimizer.zero_grad()
        nn.functional.cross_entropy(
            net(torch.from_numpy(images)), torch.from_numpy(labels).long()
        ).backward()
        recorder.step()
        optimizer.step()
    scheduler.step()
recorder.close()
