"""Memory that runs out, as an error of what was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from methods.errors import UnitError


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Within, memory that runs out raises UnitError: `what` was too large for it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_lack(error):
            raise
        raise UnitError(
            f"{what}: there is not enough memory; take fewer --jobs or seeds, or smaller settings by --set. "
            "Finished runs are recorded"
        ) from None


def is_lack(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    # PyTorch's allocator on a CPU raises a plain RuntimeError
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
