import torch


def build():
    optimizer = torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9999)
    return {"optimizer": optimizer, "scheduler": schedule, "per": "step"}
