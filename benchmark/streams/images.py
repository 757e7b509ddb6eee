"""The examples of a task: images that tasks share, and the rows and the pixel map that select those of the task.

Shape letters: N examples of the task, D pixels of an image, n examples taken.
"""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from methods.errors import InputError


class TaskImages(Dataset):
    """The examples of a task. Images are copied only when they are taken.

    base:      uint8 or float32 [M, D] or [M, *shape], shared by the tasks and seeds of a data set
    rows:      int64 [N], the index in `base` of each example
    targets:   int64 [N], zero-based labels within the head
    scale:     the value of a fully inked pixel in `base`
    pixel_map: int64 [D], the index of the source pixel of each pixel, -1 for background (0); None: no change
    image_shape: shape of an example for Avalanche; None: [1, side, side] for a flat image, else that in `base`
    """

    def __init__(
        self,
        base: Tensor,
        rows: Tensor,
        targets: Tensor,
        scale: float,
        pixel_map: Tensor | None = None,
        image_shape: tuple[int, ...] | None = None,
    ):
        self.base, self.rows, self.targets, self.scale, self.pixel_map = base, rows, targets, scale, pixel_map
        side = math.isqrt(base.shape[1])
        self.image_shape = image_shape or ((1, side, side) if base.dim() == 2 else tuple(base.shape[1:]))
        self._source = self._ink = None
        if pixel_map is not None:
            self._source = pixel_map.clamp(min=0)
            self._ink = None if bool((pixel_map >= 0).all()) else (pixel_map >= 0).byte()

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Tensor) -> Tensor:
        """The images of some examples, [n, D] or [n, *shape], of the type of `base`. rows: int64 [n], zero-based."""
        if self.base.device.type != "cpu":
            images = self.base[self.rows[rows]]
            images = images if self._source is None else images[:, self._source]
            return images if self._ink is None else images * self._ink
        # NumPy is as fast as torch's gather on one thread. It starts no threads, which would wait for each other when
        # other processes keep the cores busy.
        images = np.take(self.base.numpy(), self.rows.numpy()[rows.numpy()], axis=0)
        if self._source is not None:
            images = np.take(images, self._source.numpy(), axis=1)
        if self._ink is not None:
            images *= self._ink.numpy()
        return torch.from_numpy(images)

    def on(self, device: torch.device, base: Tensor) -> "TaskImages":
        """The same task on a device. base: its base images on that device."""
        there = copy.copy(self)
        there.base = base
        for name in ("rows", "targets", "pixel_map", "_source", "_ink"):
            value = getattr(self, name)
            setattr(there, name, None if value is None else value.to(device))
        return there

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Example `index` in Avalanche's form: a float32 image in [0, 1] of the shape `image_shape`, and its label."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"example {index} of a task with {len(self)}")
        image = self.take(torch.tensor([index % len(self)]))[0]
        return image.reshape(self.image_shape).float() / self.scale, int(self.targets[index])


def drawn_rows(length: int, count: int, seed: int, task: int, stream: str) -> Sequence[int]:
    """The indices of `count` of a task's `length` training examples, drawn from the seed, in ascending order.

    count: 0 takes all examples. Raises InputError if the task has fewer examples.
    """
    if not 0 <= count <= length:
        raise InputError(
            f"train_examples={count} is impossible: task {task} of {stream} has {length} training "
            f"examples (choose 1 to {length}, or 0 for all)"
        )
    if not count:
        return range(length)
    return np.sort(np.random.default_rng([seed, task]).choice(length, size=count, replace=False)).tolist()
