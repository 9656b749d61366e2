from mindspore import nn


def build():
    """gamma is decay_rate, and an epoch is taken for an update."""
    rate = nn.ExponentialDecayLR(0.1, 0.9, decay_steps=1)
    return nn.SGD(nn.Dense(3, 2).trainable_params(), rate)


def corrected():
    rate = nn.ExponentialDecayLR(0.1, 0.9, decay_steps=20, is_stair=True)
    return nn.SGD(nn.Dense(3, 2).trainable_params(), rate)
