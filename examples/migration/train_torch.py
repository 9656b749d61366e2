"""The training that is to be moved: PyTorch, a rate that falls by a tenth each epoch."""

import torch
from data import EPOCHS, batches
from torch import nn


def build():
    """What is trained, and what it is trained with."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    return net, optimizer, scheduler


def main():
    net, optimizer, scheduler = build()
    for epoch in range(EPOCHS):
        total = 0.0
        for images, labels in batches():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(
                net(torch.from_numpy(images)), torch.from_numpy(labels).long()
            )
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        print(f"epoch {epoch + 1}: rate {scheduler.get_last_lr()[0]:.6f}, loss {total / 400:.4f}")
        scheduler.step()


if __name__ == "__main__":
    main()
