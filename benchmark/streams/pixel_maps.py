"""Pixel maps of tasks. A permutation or a rotation assigns a source pixel to every pixel.

Shape letter: D pixels of an image in row-major order.
"""

import benchmark.common.imports  # noqa: F401  (before torchvision)

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

STEP = 10.0  # degrees from one task to the next


def permutations(seed: int, tasks: int, pixels: int) -> list[Tensor]:
    """One permutation (int64 [D]) per task, drawn like those of Avalanche's PermutedMNIST."""
    generator = np.random.RandomState(seed)
    return [torch.from_numpy(generator.permutation(pixels)) for _ in range(tasks)]


def angles(seed: int, tasks: int) -> list[float]:
    """One angle in degrees per task: 10 k minus a jitter uniform in [0, 10), as in the paper's published code.

    k is the zero-based index of the task. Angles above 180 are replaced by the same rotation within -180..180, which is
    the range of Avalanche's RotatedMNIST. They are rounded to float32 like those of torchvision's RandomRotation.
    """
    jitter = np.random.RandomState(seed).uniform(0.0, STEP, size=tasks)
    turned = STEP * np.arange(tasks) - jitter
    return [float(np.float32(angle - 360.0 * round(angle / 360.0))) for angle in turned]


def rotation(angle: float, side: int) -> Tensor:
    """Torchvision's nearest-neighbour rotation by `angle` degrees as a pixel map, int64 [D]; -1 is background."""
    numbered = torch.arange(1, side * side + 1, dtype=torch.float32).reshape(1, side, side)
    turned = rotate(numbered, angle, InterpolationMode.NEAREST, fill=[0.0])
    return turned.reshape(-1).long() - 1
