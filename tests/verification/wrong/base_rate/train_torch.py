import torch


def build():
    """The rate for one device, times the eight that there are."""
    optimizer = torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1 * 8)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
    return {"optimizer": optimizer, "scheduler": schedule, "per": "step"}
