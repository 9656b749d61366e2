from mindspore import nn


def scheduled(milestones):
    rates = nn.piecewise_constant_lr([*milestones, 200], [0.1, 0.01, 0.001, 0.0001])
    return nn.SGD(nn.Dense(3, 2).trainable_params(), rates)


def build():
    """Milestones were to be counted in updates, and were given in epochs."""
    return scheduled([4, 7, 9])


def corrected():
    return scheduled([80, 140, 180])
