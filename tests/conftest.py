"""What several test files share."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.skips import pytest_sessionfinish, pytest_terminal_summary  # noqa: F401  (pytest calls them)

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Leaves this process with one thread, however many a run inside it took."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def one_core() -> Iterator[None]:
    """Runs in this process take one thread: the tests are as fast on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.runs.executors.base.cores", lambda: 1)
        yield
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
