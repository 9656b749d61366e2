from mindspore import nn


def scheduled(base_lr):
    rates = nn.cosine_decay_lr(0.0, base_lr, 200, 1, 200)
    return nn.SGD(nn.Dense(3, 2).trainable_params(), rates)


def build():
    """The rate is not scaled by the number of devices."""
    return scheduled(0.1)


def corrected():
    return scheduled(0.1 * 8)
