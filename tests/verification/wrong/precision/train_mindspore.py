from mindspore import nn


def build():
    """A Cell computes in float32, where 0.9999 is another number."""
    rate = nn.ExponentialDecayLR(0.1, 0.9999, decay_steps=1)
    return nn.SGD(nn.Dense(3, 2).trainable_params(), rate)


def corrected():
    """A list is computed in float64."""
    return [0.1 * 0.9999**step for step in range(4000)]
