from mindspore import nn


def scheduled(base_lr):
    return nn.ExponentialDecayLR(base_lr, 0.9, decay_steps=20, is_stair=True)


def build():
    """The groups are kept, and the second one's rate is lost."""
    net = nn.Dense(3, 2)
    return nn.SGD([{"params": [net.weight]}, {"params": [net.bias]}], scheduled(0.1))


def corrected():
    net = nn.Dense(3, 2)
    groups = [{"params": [net.weight]}, {"params": [net.bias], "lr": scheduled(0.01)}]
    return nn.SGD(groups, scheduled(0.1))
