from mindspore import nn


def build():
    """decay_steps was to be counted in updates, and was given in epochs."""
    rate = nn.ExponentialDecayLR(0.1, 0.9, decay_steps=1)
    return nn.Adam(nn.Dense(3, 2).trainable_params(), rate)


def corrected():
    rate = nn.ExponentialDecayLR(0.1, 0.9, decay_steps=20)
    return nn.Adam(nn.Dense(3, 2).trainable_params(), rate)
