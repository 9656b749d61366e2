"""Noisy pictures of 8 x 8 pixels that show a bar: across (0), upright (1) or aslant (2)."""

import numpy as np

EPOCHS, BATCH, PICTURES = 8, 16, 400
STEPS_PER_EPOCH = PICTURES // BATCH


def pictures():
    """Pictures, shape (400, 1, 8, 8), float32, and their labels, shape (400,), int32."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, PICTURES)
    images = random.normal(0.0, 1.0, (PICTURES, 1, 8, 8))
    places = random.integers(0, 8, PICTURES)
    for number, label in enumerate(labels):
        bar, place = np.zeros((8, 8)), places[number]
        if label == 0:
            bar[place] = 1.5
        elif label == 1:
            bar[:, place] = 1.5
        else:
            bar[np.arange(8), (np.arange(8) + place) % 8] = 1.5
        images[number, 0] += bar
    return images.astype(np.float32), labels.astype(np.int32)


def batches():
    """The pictures in batches, in the same order every epoch."""
    images, labels = pictures()
    for start in range(0, PICTURES, BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]
