"""The global random generators of Python, numpy and PyTorch, for code that draws from them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """They begin with the seed, and are put back afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def drawing(seed: int, device: torch.device) -> Iterator[None]:
    """As `seeded`, at a third of its cost, for every step of training: of all GPUs only `device` is seeded.

    NumPy's global generator loses the Gaussian number that it may keep from a pair.
    """
    python, numpy = random.getstate(), np.random.get_bit_generator()
    torch_generators = [torch.default_generator]
    if device.type == "cuda":
        torch_generators.append(torch.cuda.default_generators[device.index or torch.cuda.current_device()])
    states = [generator.get_state() for generator in torch_generators]
    np.random.set_bit_generator(_SPARE)
    try:
        random.seed(seed)
        np.random.seed(seed)
        for generator in torch_generators:
            generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_bit_generator(numpy)
        for generator, state in zip(torch_generators, states, strict=True):
            generator.set_state(state)


_SPARE = np.random.MT19937()
