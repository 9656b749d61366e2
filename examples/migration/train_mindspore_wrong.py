"""The training moved to MindSpore as it is often moved: gamma is decay_rate, and that is all."""

import mindspore
from data import EPOCHS, batches
from mindspore import Tensor, nn


def build():
    """What is trained, and what it is trained with."""
    mindspore.set_seed(0)
    net = nn.SequentialCell(
        nn.Conv2d(1, 8, 3, has_bias=True),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Dense(128, 3),
    )
    rate = nn.ExponentialDecayLR(0.05, 0.9, decay_steps=1)
    return net, nn.Momentum(net.trainable_params(), learning_rate=rate, momentum=0.9)


def main():
    net, optimizer = build()
    loss_of = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    step = nn.TrainOneStepCell(nn.WithLossCell(net, loss_of), optimizer).set_train()
    for epoch in range(EPOCHS):
        rate, total = float(optimizer.get_lr().asnumpy()), 0.0
        for images, labels in batches():
            total += float(step(Tensor(images), Tensor(labels)).asnumpy()) * len(labels)
        print(f"epoch {epoch + 1}: rate {rate:.6f}, loss {total / 400:.4f}")


if __name__ == "__main__":
    main()
