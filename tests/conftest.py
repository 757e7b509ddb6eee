"""What several test files share."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The directory named by BENCHMARK_DATA, if it holds MNIST and CIFAR-100; else the test is skipped."""
    named = os.environ.get("BENCHMARK_DATA")
    if not named:
        pytest.skip("BENCHMARK_DATA names no directory with MNIST and CIFAR-100")
    root = Path(named)
    for needed in ("MNIST/raw/train-images-idx3-ubyte", "cifar-100-python/train"):
        if not (root / needed).is_file():
            pytest.skip(f"BENCHMARK_DATA={named} holds no {needed}")
    return root
