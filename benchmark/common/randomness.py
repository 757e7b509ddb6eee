"""Random numbers. Each seed has its own generator, so that seeds are independent."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK_NUMBERS = 2**18
"""Maximum number of values that a seed draws ahead for one request: the call costs more than the values."""
THREADS = 16
"""Threads that draw in parallel, one seed each, if training runs on a GPU."""


class Asked(NamedTuple):
    """A request for random numbers: their shape without S, their type, and whether they are drawn ahead in blocks."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    ahead: bool


class Randomness:
    """The generators of S seeds. Draws are [S, ...]. A seed's draws do not depend on the other seeds."""

    def __init__(self, seeds: list[int], device: torch.device) -> None:
        self.device = device
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._ahead: dict[Asked, tuple[Tensor, int]] = {}
        self._noted: list[Asked] | None = None
        self._given: Iterator[Tensor] | None = None
        # with a GPU the CPU cores are idle, and the GPU would wait for numbers drawn one seed after another
        self._each = ThreadPoolExecutor(THREADS).map if device.type == "cuda" else map

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Uniform numbers in [0, 1), [S, *shape], drawn ahead in blocks. Do not change them in place."""
        return self._numbers(Asked(shape, dtype, True))

    def draw(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniform numbers in [0, 1), [S, *shape], drawn immediately."""
        return self._numbers(Asked(shape, dtype, False))

    def answer(self, asked: Asked) -> Tensor:
        """The next numbers for a request."""
        return self._from_ahead(asked) if asked.ahead else self._drawn(asked.shape, asked.dtype)

    def room(self, asked: Asked) -> Tensor:
        """A tensor of zeros for the numbers of a request, on the device."""
        return torch.zeros(len(self.generators), *asked.shape, dtype=asked.dtype, device=self.device)

    @contextmanager
    def noted(self) -> Iterator[list[Asked]]:
        """Collect the requests that are made inside the block, in order."""
        self._noted = []
        try:
            yield self._noted
        finally:
            self._noted = None

    @contextmanager
    def given(self, numbers: Iterable[Tensor]) -> Iterator[None]:
        """Inside the block, return these tensors instead of drawing."""
        self._given = iter(numbers)
        try:
            yield
        finally:
            self._given = None

    def order(self, count: int) -> Tensor:
        """A permutation of `count` examples for each seed, int64 [S, count], on the CPU."""
        return torch.stack([torch.randperm(count, generator=generator) for generator in self.generators])

    def begin_phase(self) -> None:
        """Discard numbers drawn ahead, so that the states of the generators alone determine all later draws."""
        self._ahead.clear()

    def state(self) -> Tensor:
        """The states of the generators, uint8 [S, n]."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def restore(self, state: Tensor) -> None:
        """Restore states that `state` returned."""
        for generator, row in zip(self.generators, state, strict=True):
            generator.set_state(row.clone())  # a view crashes torch 2.13
        self._ahead.clear()

    def _numbers(self, asked: Asked) -> Tensor:
        if self._given is not None:
            return next(self._given)
        if self._noted is not None:
            self._noted.append(asked)
        return self.answer(asked)

    def _from_ahead(self, asked: Asked) -> Tensor:
        block, position = self._ahead.get(asked, (None, 0))
        if block is None or position == block.shape[1]:
            steps = max(1, min(256, BLOCK_NUMBERS // max(1, math.prod(asked.shape))))
            block, position = self._drawn((steps, *asked.shape), asked.dtype), 0
        self._ahead[asked] = (block, position + 1)
        return block[:, position]

    def _drawn(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        pinned = self.device.type == "cuda"  # a copy from unpinned memory would wait for pending GPU work
        numbers = torch.empty(len(self.generators), *shape, dtype=dtype, pin_memory=pinned)

        def fill(row: Tensor, generator: torch.Generator) -> None:
            torch.rand(shape, generator=generator, dtype=dtype, out=row)

        deque(self._each(fill, numbers, self.generators), maxlen=0)
        return numbers.to(self.device, non_blocking=True)
