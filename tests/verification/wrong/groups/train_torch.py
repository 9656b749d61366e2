import torch


def build():
    net = torch.nn.Linear(3, 2)
    groups = [{"params": [net.weight]}, {"params": [net.bias], "lr": 0.01}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
