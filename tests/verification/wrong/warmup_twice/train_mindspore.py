from mindspore import nn, ops
from mindspore.nn.learning_rate_schedule import LearningRateSchedule


class WarmUpAndCosine(LearningRateSchedule):
    def __init__(self, begins):
        super().__init__()
        self.begins = begins
        self.falling = nn.CosineDecayLR(0.0, 0.1, 200)

    def construct(self, global_step):
        rising = 0.1 * (0.1 + 0.9 * global_step / 40)
        falling = self.falling(ops.maximum(global_step - self.begins, 0))
        return ops.select(global_step < 40, rising, falling)


def build():
    """What follows the warm-up starts where that has ended, and was to count from 0."""
    return nn.SGD(nn.Dense(3, 2).trainable_params(), WarmUpAndCosine(0))


def corrected():
    return nn.SGD(nn.Dense(3, 2).trainable_params(), WarmUpAndCosine(40))
