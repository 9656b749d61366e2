import mindspore
from mindspore import nn


def build():
    """The checkpoint has the network alone, so that the optimizer counts from 0 again."""
    net = nn.Dense(3, 2)
    return {
        "optimizer": corrected(net),
        "save": net.parameters_dict,
        "load": lambda saved: mindspore.load_param_into_net(net, saved),
    }


def corrected(net=None):
    net = net or nn.Dense(3, 2)
    rate = nn.ExponentialDecayLR(0.1, 0.9, decay_steps=20, is_stair=True)
    return nn.SGD(net.trainable_params(), rate)
