"""Differences between CPUs and GPUs: copies, precision and denormal numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def sent(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device. The copy is asynchronous: the CPU does not wait for pending work of the GPU."""
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def compute_in_float32(device: torch.device) -> None:
    """Make convolutions use full float32 precision, as on a CPU. By default cuDNN rounds their inputs to TF32."""
    if device.type == "cuda":
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # its types lack it


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Inside the block, this CPU thread treats denormal numbers (below 1.2e-38 in float32) as 0.

    The momentum of a weight without gradients decays to such numbers and stays there. A processor takes many times as
    long to compute with them.
    """
    already = (torch.tensor(2e-38) / 4).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)
