"""One task's examples: shared base images, and which of them, and which of their pixels, the task shows.

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
    """One task's examples, nothing copied until it is asked for.

    base:      uint8 or float32 [M, D] or [M, *shape], shared by the tasks and seeds of a data set
    rows:      int64 [N], the base image of each example
    targets:   int64 [N], labels inside the head, from 0
    scale:     the value that a fully inked pixel has in `base`
    pixel_map: int64 [D], the base pixel that each pixel shows, -1 for background (0); None: all as they are
    image_shape: of an example for Avalanche; None: [1, side, side] of a flat image, else its own
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
        """The examples `rows` (int64 [n], inside the task) as [n, D] or [n, *shape] of the base's type."""
        if self.base.device.type != "cpu":
            images = self.base[self.rows[rows]]
            images = images if self._source is None else images[:, self._source]
            return images if self._ink is None else images * self._ink
        # numpy: as fast as torch's gather on one thread, and no threads that wait for each other where other
        # processes keep the cores busy
        images = np.take(self.base.numpy(), self.rows.numpy()[rows.numpy()], axis=0)
        if self._source is not None:
            images = np.take(images, self._source.numpy(), axis=1)
        if self._ink is not None:
            images *= self._ink.numpy()
        return torch.from_numpy(images)

    def on(self, device: torch.device, base: Tensor) -> "TaskImages":
        """The same task on a device where its base images lie already."""
        there = copy.copy(self)
        there.base = base
        for name in ("rows", "targets", "pixel_map", "_source", "_ink"):
            value = getattr(self, name)
            setattr(there, name, None if value is None else value.to(device))
        return there

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Example `index` as Avalanche wants it: float32 image in [0, 1] of its own shape, and its label."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"example {index} of a task with {len(self)}")
        image = self.take(torch.tensor([index % len(self)]))[0]
        return image.reshape(self.image_shape).float() / self.scale, int(self.targets[index])


def drawn_rows(length: int, count: int, seed: int, task: int, stream: str) -> Sequence[int]:
    """`count` of a task's `length` training examples, drawn from the seed, in rising order; 0 takes them all.

    Raises InputError where there are not as many.
    """
    if not 0 <= count <= length:
        raise InputError(
            f"train_examples={count} is impossible: task {task} of {stream} has {length} training "
            f"examples (choose 1 to {length}, or 0 for all)"
        )
    if not count:
        return range(length)
    return np.sort(np.random.default_rng([seed, task]).choice(length, size=count, replace=False)).tolist()
