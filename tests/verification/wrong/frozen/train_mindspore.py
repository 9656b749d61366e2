from mindspore import Tensor, int32, nn


def build():
    """The schedule is asked once, and the optimizer given a number."""
    rate = nn.CosineDecayLR(0.0, 0.1, 200)(Tensor(0, int32))
    return nn.AdamWeightDecay(nn.Dense(3, 2).trainable_params(), float(rate.asnumpy()))


def corrected():
    rate = nn.CosineDecayLR(0.0, 0.1, 200)
    return nn.AdamWeightDecay(nn.Dense(3, 2).trainable_params(), rate)
