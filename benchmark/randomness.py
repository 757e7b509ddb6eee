"""Random numbers: one generator a seed, so that no seed disturbs another."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

BLOCK_NUMBERS = 2**18
"""How many numbers of one kind a seed draws ahead, at most: a call costs more than the numbers it draws."""
THREADS = 16
"""That draw for as many seeds at a time, beside a GPU."""


class Randomness:
    """The generators of S seeds. Draws come out as [S, ...]; a seed's draws are the same in any company."""

    def __init__(self, seeds: list[int], device: torch.device) -> None:
        self.device = device
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._ahead: dict[tuple, tuple[Tensor, int]] = {}
        # beside a GPU the cores are free, and drawing would keep it waiting
        self._each = ThreadPoolExecutor(THREADS).map if device.type == "cuda" else map

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Uniform in [0, 1), [S, *shape], drawn ahead in blocks; do not change it in place."""
        block, position = self._ahead.get((shape, dtype), (None, 0))
        if block is None or position == block.shape[1]:
            ahead = max(1, min(256, BLOCK_NUMBERS // max(1, math.prod(shape))))
            block, position = self.draw(ahead, *shape, dtype=dtype), 0
        self._ahead[shape, dtype] = (block, position + 1)
        return block[:, position]

    def draw(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniform in [0, 1), [S, *shape], drawn at once."""
        pinned = self.device.type == "cuda"  # else the copy would wait for the steps before it
        numbers = torch.empty(len(self.generators), *shape, dtype=dtype, pin_memory=pinned)

        def fill(row: Tensor, generator: torch.Generator) -> None:
            torch.rand(shape, generator=generator, dtype=dtype, out=row)

        deque(self._each(fill, numbers, self.generators), maxlen=0)
        return numbers.to(self.device, non_blocking=True)

    def order(self, count: int) -> Tensor:
        """A permutation of `count` examples for each seed, int64 [S, count], on the CPU."""
        return torch.stack([torch.randperm(count, generator=generator) for generator in self.generators])

    def begin_phase(self) -> None:
        """Forget what was drawn ahead, so that the generators' states alone say how a run goes on."""
        self._ahead.clear()

    def state(self) -> Tensor:
        """The states of the generators, uint8 [S, n]."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def restore(self, state: Tensor) -> None:
        """Take back what `state` gave."""
        for generator, row in zip(self.generators, state, strict=True):
            generator.set_state(row.clone())  # a view crashes torch 2.13
        self._ahead.clear()
