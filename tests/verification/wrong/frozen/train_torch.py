import torch


def build():
    optimizer = torch.optim.AdamW(torch.nn.Linear(3, 2).parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
    return {"optimizer": optimizer, "scheduler": schedule, "per": "step"}
