from math import cos, pi

from mindspore import nn


def listed(warmup):
    rising = [0.1 * (0.1 + 0.9 * step / 40) for step in range(warmup)]
    falling = [0.05 * (1 + cos(pi * step / 160)) for step in range(201 - warmup)]
    return nn.Momentum(nn.Dense(3, 2).trainable_params(), rising + falling, 0.9)


def build():
    """The warm-up reaches the base rate, and the rest begins with it once more."""
    return listed(41)


def corrected():
    return listed(40)
