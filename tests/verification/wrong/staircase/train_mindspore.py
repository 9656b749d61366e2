from mindspore import nn


def scheduled(is_stair):
    rate = nn.ExponentialDecayLR(0.1, 0.5, decay_steps=40, is_stair=is_stair)
    return nn.SGD(nn.Dense(3, 2).trainable_params(), rate)


def build():
    """is_stair is forgotten."""
    return scheduled(False)


def corrected():
    return scheduled(True)
