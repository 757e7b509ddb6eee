"""Errors for memory that runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from methods.errors import UnitError


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Inside the block, running out of memory raises UnitError. what: the work that was too large."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_lack(error):
            raise
        raise UnitError(
            f"{what}: there is not enough memory; use fewer --jobs or seeds, or give smaller settings by --set. "
            "Finished runs are recorded"
        ) from None


def is_lack(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    # PyTorch's allocator on a CPU raises a plain RuntimeError
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
