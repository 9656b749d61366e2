import torch


def build():
    optimizer = torch.optim.Adam(torch.nn.Linear(3, 2).parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9 ** (step / 20))
    return {"optimizer": optimizer, "scheduler": schedule, "per": "step"}
