"""What each device needs that the other does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def sent(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device; the CPU does not wait for the steps that the GPU has still to take."""
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def compute_in_float32(device: torch.device) -> None:
    """As on the CPU; by default cuDNN rounds the numbers that it convolves to TF32."""
    if device.type == "cuda":
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # its types lack it


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """On this thread of the CPU, numbers below 1.2e-38 (float32) count as 0 meanwhile.

    The momentum of a weight without gradients fades into such numbers and stays there, and a processor takes many times
    as long over them.
    """
    already = (torch.tensor(2e-38) / 4).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)
