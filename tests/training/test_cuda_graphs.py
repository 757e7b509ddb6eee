"""The engine on a real GPU; skipped where there is none (tests/training/test_device.py holds what can be shown without one)."""

from contextlib import contextmanager

import pytest
import torch

from benchmark.common import cuda_graphs
from benchmark.training.phases import PhaseData
from methods.registry import METHODS
from tests.training.test_device import LOSSY, STREAMS, cell, cifar, train_two_phases  # noqa: F401  (cifar is a fixture)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

every_method = pytest.mark.parametrize("method", METHODS)
every_stream = pytest.mark.parametrize("stream", STREAMS)
of_the_mlp = pytest.mark.parametrize("stream", STREAMS[:-1])  # convolutions may be summed in another order each time
every_setting = pytest.mark.parametrize("changes", [{}, LOSSY], ids=["plain", "dropout, momentum, epochs"])


@contextmanager
def no_wait():
    """Whatever makes the CPU wait for the GPU is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@every_method
@every_stream
@every_setting
def test_a_task_is_trained_as_on_the_cpu_and_without_waiting(cifar, method, stream, changes):  # noqa: F811
    there = cell(method, stream, "cuda", **changes)
    train_two_phases(there, no_wait)
    if stream != "split-cifar100":  # there roundings grow within a few steps: the gradient is compared below
        here, new = cell(method, stream, "cpu", **changes), cell(method, stream, "cpu", **changes)
        train_two_phases(here)
        moved = (here.net.theta - new.net.theta).abs().max()
        assert (there.net.theta.cpu() - here.net.theta).abs().max() < 1e-3 * moved


@every_setting
def test_the_resnets_gradient_is_the_cpus(cifar, changes):  # noqa: F811
    gradients = []
    for device in ("cuda", "cpu"):
        trained = cell("naive", "split-cifar100", device, **changes)
        data = PhaseData(trained.streams, (0,), trained.device)
        batch = next(data.batches(torch.arange(20).expand(2, -1), 20, 0))
        gradients.append(trained.net.gradient(batch).dense().cpu())
    there, here = gradients
    assert (there - here).norm() < 1e-3 * here.norm()


@every_method
@of_the_mlp
def test_a_graph_gives_the_numbers_of_the_calls_it_records(monkeypatch, method, stream):
    replayed = cell(method, stream, "cuda", **LOSSY)
    train_two_phases(replayed, no_wait)
    monkeypatch.delitem(cuda_graphs.RECORDERS, "cuda")
    called = cell(method, stream, "cuda", **LOSSY)
    train_two_phases(called, no_wait)
    assert torch.equal(replayed.net.theta, called.net.theta)


@every_method
@of_the_mlp
def test_a_run_comes_out_the_same_again(method, stream):
    first, second = cell(method, stream, "cuda", **LOSSY), cell(method, stream, "cuda", **LOSSY)
    with torch.no_grad():
        first.train(lambda *_: None)
        second.train(lambda *_: None)
    assert torch.equal(first.net.theta, second.net.theta)
    assert first.outcomes[0].accuracy_matrix == second.outcomes[0].accuracy_matrix


@pytest.mark.parametrize(
    "changes", [{"optimizer": "adam", "learning_rate": 0.01}, {"schedule": "cosine"}], ids=["adam", "cosine"]
)
def test_another_optimizer_or_a_schedule_trains_as_on_the_cpu_and_without_waiting(changes):
    changes = {"momentum": 0.0, "epochs": 2} | changes
    there = cell("ewc", "permuted-digits", "cuda", **changes)
    train_two_phases(there, no_wait)
    here, new = cell("ewc", "permuted-digits", "cpu", **changes), cell("ewc", "permuted-digits", "cpu", **changes)
    train_two_phases(here)
    moved = (here.net.theta - new.net.theta).abs().max()
    assert (there.net.theta.cpu() - here.net.theta).abs().max() < 1e-2 * moved
