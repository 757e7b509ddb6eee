"""Seeds the global random generators of Python, NumPy and PyTorch for code that draws from them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block, the global generators start from the seed. After it, their states are restored."""
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
    """Like `seeded` at a third of its cost, cheap enough for every training step. Of all GPUs it seeds only `device`.

    NumPy's legacy generator draws Gaussian numbers in pairs and caches the second one. That number is lost.
    """
    # NumPy's types lack both functions
    python, numpy = random.getstate(), np.random.get_bit_generator()  # type: ignore[attr-defined]
    torch_generators = [torch.default_generator]
    if device.type == "cuda":
        torch_generators.append(torch.cuda.default_generators[device.index or torch.cuda.current_device()])
    states = [generator.get_state() for generator in torch_generators]
    np.random.set_bit_generator(_SPARE)  # type: ignore[attr-defined]
    try:
        random.seed(seed)
        np.random.seed(seed)
        for generator in torch_generators:
            generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_bit_generator(numpy)  # type: ignore[attr-defined]
        for generator, state in zip(torch_generators, states, strict=True):
            generator.set_state(state)


_SPARE = np.random.MT19937()
