"""The MindSpore training with its learning rates recorded."""

from data import EPOCHS, STEPS_PER_EPOCH, batches
from lr_recorder import Recorder
from mindspore import Tensor, nn
from train_mindspore import build

net, optimizer = build()
loss_of = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
step = nn.TrainOneStepCell(nn.WithLossCell(net, loss_of), optimizer).set_train()
recorder = Recorder(optimizer, "mindspore.jsonl", steps_per_epoch=STEPS_PER_EPOCH)
for _ in range(EPOCHS):
    for images, labels in batches():
        recorder.step()
        step(Tensor(images), Tensor(labels))
recorder.close()
