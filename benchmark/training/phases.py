"""The training data of a phase: one task of each seed, or several tasks shuffled as one data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from benchmark.common.device import sent
from benchmark.streams.build import Stream
from methods.batch import Batch

CHUNK_BYTES = 8 * 2**20
"""Size of the images that are converted to float32 at once, on a CPU: few calls, but small enough for the cache."""
CHUNK_BYTES_ELSEWHERE = 256 * 2**20
"""The same on a GPU, whose memory is fast enough without the cache."""


@dataclass(frozen=True)
class PhaseData:
    """The training examples of some tasks, for S streams with the same number of examples."""

    streams: list[Stream]
    tasks: tuple[int, ...]
    device: torch.device

    def __len__(self) -> int:
        return sum(len(self.streams[0].train[task]) for task in self.tasks)

    def take(self, positions: Tensor) -> Batch:
        """The examples at positions [S, n] as a batch [S, n, ...], with pixels divided by the stream's scale.

        The positions must be on the device. In a phase of several tasks they must be on the CPU, which groups them by
        task.
        """
        rows = [self._take(stream, row) for stream, row in zip(self.streams, positions, strict=True)]
        images, labels, tasks = (torch.stack(parts) for parts in zip(*rows, strict=True))
        heads = tasks if self.streams[0].heads > 1 else torch.zeros_like(tasks)
        task = self.tasks[0] if len(self.tasks) == 1 else None
        return Batch(images.float().div_(self.streams[0].scale), labels, heads, task)

    def own_order(self) -> Tensor:
        """The positions [S, N] of the examples, task by task, in the order of the data set's file within each task."""
        lengths = [len(self.streams[0].train[task]) for task in self.tasks]
        starts = [0, *accumulate(lengths)]
        rows = [
            torch.cat([stream.train[task].rows.argsort() + start for task, start in zip(self.tasks, starts)])
            for stream in self.streams
        ]
        return torch.stack(rows).cpu()

    def batches(self, order: Tensor, size: int, later: int) -> Iterator[Batch]:
        """Minibatches of `size` examples in the order [S, N]. later: number of steps of the phase in later epochs."""
        count, order = order.shape[1], self.placed(order)
        steps = -(-count // size)
        per_step = order.shape[0] * size * torch.Size(self.streams[0].shape).numel() * 4
        size_ahead = CHUNK_BYTES if self.device.type == "cpu" else CHUNK_BYTES_ELSEWHERE
        chunk = max(1, size_ahead // per_step) * size
        for start in range(0, count, chunk):
            ahead = self.take(order[:, start : start + chunk])
            for offset in range(0, ahead.labels.shape[1], size):
                part = slice(offset, offset + size)
                left = later + steps - 1 - (start + offset) // size
                yield Batch(ahead.images[:, part], ahead.labels[:, part], ahead.heads[:, part], ahead.task, left)

    def placed(self, positions: Tensor) -> Tensor:
        """The positions on the device that `take` requires."""
        return sent(positions, self.device) if len(self.tasks) == 1 else positions.cpu()

    def _take(self, stream: Stream, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if len(self.tasks) == 1:
            data = stream.train[self.tasks[0]]
            return data.take(positions), data.targets[positions], torch.full_like(positions, self.tasks[0])
        ends = torch.tensor(list(accumulate(len(stream.train[task]) for task in self.tasks)))
        which = torch.bucketize(positions, ends, right=True)
        images = stream.train[0].base.new_empty(len(positions), *stream.shape)
        labels = torch.empty(len(positions), dtype=torch.int64, device=self.device)
        for index, task in enumerate(self.tasks):
            mine = (which == index).nonzero()[:, 0]
            rows = sent(positions[mine] - (ends[index] - len(stream.train[task])), self.device)
            mine = sent(mine, self.device)
            images[mine], labels[mine] = stream.train[task].take(rows), stream.train[task].targets[rows]
        return images, labels, sent(torch.tensor(self.tasks)[which], self.device)


class RecentData:
    """The examples of the phase just trained, in the order [S, N] of the last epoch."""

    def __init__(self, data: PhaseData, order: Tensor) -> None:
        self.data, self.order = data, order.to(data.device)

    @property
    def labels(self) -> Tensor:
        """The labels in that order, int64 [S, N]."""
        tasks = self.data.tasks
        targets = [torch.cat([stream.train[task].targets for task in tasks]) for stream in self.data.streams]
        return torch.stack(targets).gather(1, self.order)

    def take(self, positions: Tensor) -> Batch:
        """The examples at positions [S, n] of that order, as a batch."""
        return self.data.take(self.data.placed(self.order.gather(1, positions)))
