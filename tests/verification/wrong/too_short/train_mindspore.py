from mindspore import nn


def listed(epochs):
    rates = nn.exponential_decay_lr(0.1, 0.9, epochs * 20, 20, 1, is_stair=True)
    return nn.SGD(nn.Dense(3, 2).trainable_params(), rates)


def build():
    """The list is one epoch too short."""
    return listed(9)


def corrected():
    return listed(10)
