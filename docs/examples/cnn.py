"""A small CNN with batch norm."""

import math

from torch import nn


def network(shape, outputs, channels=16):
    """Images [channels, height, width], or flat ones [D], which are taken as square images of one channel."""
    side = math.isqrt(math.prod(shape))
    images = [nn.Unflatten(1, (1, side, side))] if len(shape) == 1 else []
    colours = 1 if images else shape[0]
    return nn.Sequential(
        *images,
        *_block(colours, channels),
        *_block(channels, 2 * channels),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * channels, outputs),
    )


def _block(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
