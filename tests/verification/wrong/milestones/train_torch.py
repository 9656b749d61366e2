import torch


def build():
    optimizer = torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[4, 7, 9], gamma=0.1)
    return optimizer, schedule
