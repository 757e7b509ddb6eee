"""The engine on a device that is not the CPU: what a GPU asks of it, tested without one.

PyTorch's "meta" device has no numbers: an operation that looks at one (item, tolist, nonzero, a copy to the CPU) or
that takes some of its tensors from the CPU fails there, as it would make a GPU wait or fail.
"""

from contextlib import nullcontext

import pytest
import torch

from benchmark.common import cuda_graphs
from benchmark.streams import build as build_
from benchmark.streams import images as images_
from benchmark.streams.build import build
from benchmark.streams.datasets import ImageData
from benchmark.training.engine import Cell
from benchmark.training.phases import PhaseData, RecentData
from methods.registry import METHODS
from methods.settings import settings_for

SMALL = {"tasks": 3, "train_examples": 45, "hidden": 16, "memory_batch": 7, "fisher_window": 2, "batch_size": 10}
LOSSY = {"dropout": 0.25, "momentum": 0.5, "epochs": 2}
STREAMS = ("permuted-digits", "rotated-digits", "split-digits", "split-cifar100")


@pytest.fixture
def cifar(monkeypatch):
    """Split CIFAR-100 of random pixels."""
    generator, load = torch.Generator().manual_seed(0), build_.load
    images = torch.randint(0, 256, (1000, 3, 32, 32), dtype=torch.uint8, generator=generator)
    data = ImageData(images, torch.arange(100).repeat(10), images[:200], torch.arange(100).repeat(2), 255.0, {})
    monkeypatch.setattr(build_, "load", lambda name, place: data if name == "cifar100" else load(name, place))


def cell(method: str, stream: str, device: str, seeds: int = 2, **changes) -> Cell:
    settings = settings_for(method, stream, SMALL | changes)
    return Cell(METHODS[method], [build(stream, n, 3, settings.train_examples) for n in range(seeds)], settings, device)


@torch.no_grad()
def train_two_phases(trained: Cell, inside=nullcontext) -> None:
    """`inside`: a context that each phase of training is in."""
    for phase, tasks in enumerate(trained.phases[:2]):
        part = PhaseData(trained.streams, tasks, trained.device)
        with inside():
            order = trained._train_phase(phase, part, lambda step: None)
        trained.method.after_phase(trained.net, RecentData(part, order))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("changes", [{}, LOSSY], ids=["plain", "dropout, momentum, epochs"])
def test_a_task_is_trained_on_the_device_without_a_look_at_a_number(cifar, method, stream, changes):
    there = cell(method, stream, "meta", **changes)
    train_two_phases(there)
    assert there.net.theta.is_meta and all(part.base.is_meta for part in there.streams[0].train)


def test_the_meta_device_would_notice():
    there = cell("naive", "split-digits", "meta")
    with pytest.raises((RuntimeError, NotImplementedError)):
        there.net.theta.sum().item()
    with pytest.raises((RuntimeError, NotImplementedError)):
        there.net.theta[0] + torch.ones(there.net.theta.shape[1])


def test_images_that_tasks_and_seeds_share_are_on_the_device_once():
    there = cell("naive", "permuted-digits", "meta").streams
    for name in ("train", "test"):
        assert len({id(part.base) for stream in there for part in getattr(stream, name)}) == 1


@pytest.mark.parametrize("stream", STREAMS)
def test_the_device_shows_the_examples_that_the_cpu_shows(cifar, stream):
    for part in build(stream, 3, 3).train:
        rows = torch.randperm(len(part), generator=torch.Generator().manual_seed(1))[:40]
        there = OnDevice(part)
        assert torch.equal(there.take(rows), part.take(rows))


class OnDevice(images_.TaskImages):
    """Examples of the CPU, taken as those of another device are."""

    def __init__(self, part):
        vars(self).update(vars(part))
        self.base = Elsewhere(part.base)


class Elsewhere:
    """Numbers of the CPU that say they are elsewhere."""

    device = torch.device("meta")

    def __init__(self, values):
        self.values = values

    def __getitem__(self, rows):
        return self.values[rows]


def rerun(passes, inputs) -> cuda_graphs.Recording:
    """In the place of a CUDA graph: nothing is computed but by a replay, into outputs that stay where they are."""
    outputs = []

    def replay() -> None:
        values = passes(*inputs)
        if outputs:
            for place, value in zip(outputs, values, strict=True):
                place.copy_(value)
        else:
            outputs.extend(value.clone() for value in values)

    return cuda_graphs.Recording(inputs, outputs, replay)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("changes", [{}, LOSSY], ids=["plain", "dropout, momentum, epochs"])
@pytest.mark.slow
def test_replayed_passes_give_the_same_numbers(cifar, monkeypatch, method, stream, changes):
    eager = cell(method, stream, "cpu", seeds=1 + (stream != "split-cifar100"), **changes)
    train_two_phases(eager)
    recorded = {"_forward_and_back": [], "whole_step": []}

    def recorder(passes, inputs):
        recorded[passes.__name__].append(inputs[0].shape)
        return rerun(passes, inputs)

    monkeypatch.setitem(cuda_graphs.RECORDERS, "cpu", recorder)
    replayed = cell(method, stream, "cpu", seeds=len(eager.streams), **changes)
    train_two_phases(replayed)
    assert torch.equal(replayed.net.theta, eager.net.theta)
    assert all(torch.equal(replayed.net.buffers[name], value) for name, value in eager.net.buffers.items())
    shapes = recorded["_forward_and_back"]
    assert len(shapes) == len(set(shapes)) >= 2, "recorded once for every shape of batch"
    # once an epoch; an epoch has one batch of 5. ER's filling memory makes its first steps differ, EWC's always do
    epochs = len(replayed.phases[:2]) * replayed.settings.epochs
    wanted = {"ewc": range(1), "er-reservoir": range(1, epochs + 1)}.get(method, range(epochs, epochs + 1))
    assert len(recorded["whole_step"]) in wanted
