"""An MLP of three hidden layers."""

import math

from torch import nn


def network(shape, outputs, width=128, dropout=0.0):
    """Examples of any shape; `width` units a hidden layer, a share `dropout` of them dropped in training."""
    sizes = [math.prod(shape), width, width, width]
    layers = [nn.Flatten()]
    for inputs, units in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(width, outputs))
