"""What a GPU needs that the CPU does not."""

from __future__ import annotations

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
        torch.backends.cudnn.conv.fp32_precision = "ieee"
