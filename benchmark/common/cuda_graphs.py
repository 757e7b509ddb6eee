"""CUDA graphs: a GPU records repeated work once and then replays it.

On a GPU, kernel launches dominate the cost of a small network's step, and a replayed graph is one launch. The suite
records the passes through a network for every method. It records whole steps if the method's steps are of one kind
(see methods.method.Method.step_kind). On a CPU nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.common.randomness import Asked, Randomness
from methods.batch import Batch

Passes = Callable[..., Sequence[Tensor]]
"""A function from tensors to tensors. Its operations depend on the shapes only, never on the values."""


@dataclass(frozen=True)
class Recording:
    """A recorded computation: `replay` reads the tensors `inputs` and writes the tensors `outputs`."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    replay: Callable[[], object]

    def __call__(self, given: Iterable[Tensor]) -> None:
        """Copy the given values into `inputs` and replay."""
        for place, value in zip(self.inputs, given, strict=True):
            place.copy_(value)
        self.replay()


Recorder = Callable[[Passes, Sequence[Tensor]], Recording]


def cuda_graph(passes: Passes, inputs: Sequence[Tensor]) -> Recording:
    """Record the passes over these inputs. Recording computes nothing; PyTorch requires a warm-up run before it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = passes(*inputs)
    return Recording(inputs, outputs, graph.replay)


RECORDERS: dict[str, Recorder] = {"cuda": cuda_graph}


def captured(passes: Passes, device: torch.device, changed: Iterable[Tensor] = ()) -> Passes:
    """The passes, recorded as graphs on a GPU and unchanged on a CPU.

    changed: the tensors that the passes modify in place.
    """
    recorder = RECORDERS.get(device.type)
    return passes if recorder is None else _Captured(passes, list(changed), recorder)


class _Captured:
    def __init__(self, passes: Passes, changed: list[Tensor], recorder: Recorder) -> None:
        self.passes, self.changed, self.recorder = passes, changed, recorder
        self.recordings: dict[tuple[torch.Size, ...], Recording] = {}

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        if inputs[0].is_cuda and torch.cuda.is_current_stream_capturing():
            return self.passes(*inputs)  # a whole step is being recorded, and graphs cannot be nested
        shapes = tuple(each.shape for each in inputs)
        if shapes not in self.recordings:
            self.recordings[shapes] = self._recorded(inputs)
        recording = self.recordings[shapes]
        recording(inputs)
        return [each.clone() for each in recording.outputs]  # the next replay overwrites the outputs

    def _recorded(self, inputs: Sequence[Tensor]) -> Recording:
        before = [each.clone() for each in self.changed]
        for _ in range(3):
            self.passes(*inputs)
        recording = self.recorder(self.passes, [each.clone() for each in inputs])
        for each, value in zip(self.changed, before, strict=True):
            each.copy_(value)
        return recording


Take = Callable[[Batch], None]


def steps(take: Take, random: Randomness, moment: Callable[[], Hashable]) -> Take:
    """The function `take`, one step on a batch, recorded as graphs on a GPU and unchanged on a CPU.

    moment: returns everything except tensors that decides what the coming step does, or None if the step cannot be
    recorded.
    """
    recorder = RECORDERS.get(random.device.type)
    return take if recorder is None else _Steps(take, random, moment, recorder)


class _Steps:
    def __init__(self, take: Take, random: Randomness, moment: Callable[[], Hashable], recorder: Recorder) -> None:
        self.take, self.random, self.moment, self.recorder = take, random, moment, recorder
        self.asked: dict[Hashable, list[Asked]] = {}
        self.recordings: dict[Hashable, Recording] = {}

    def __call__(self, batch: Batch) -> None:
        moment = self.moment()
        key = (batch.labels.shape, moment)
        if moment is None:
            self.take(batch)
        elif key not in self.asked:  # the first step of a kind also tells which random numbers the kind draws
            with self.random.noted() as self.asked[key]:
                self.take(batch)
        else:
            if key not in self.recordings:
                self.recordings[key] = self._recorded(batch, self.asked[key])
            numbers = [self.random.answer(asked) for asked in self.asked[key]]
            self.recordings[key]([batch.images, batch.labels, batch.heads, *numbers])

    def _recorded(self, batch: Batch, asked: Sequence[Asked]) -> Recording:
        def whole_step(images: Tensor, labels: Tensor, heads: Tensor, *numbers: Tensor) -> Sequence[Tensor]:
            with self.random.given(numbers):
                self.take(replace(batch, images=images, labels=labels, heads=heads))
            return ()

        places = [each.clone() for each in (batch.images, batch.labels, batch.heads)]
        return self.recorder(whole_step, places + [self.random.room(each) for each in asked])
