"""The passes through a network as one CUDA graph: recorded once for every shape of batch, then replayed.

On a GPU a small network's step costs what its launches cost; a replayed graph is one launch. What a method does around
the passes stays as it is written, so any method is right, recorded or not. On the CPU nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Passes = Callable[..., Sequence[Tensor]]
"""Tensors to tensors, by the same operations whenever the shapes are the same, without a look at a number."""


@dataclass(frozen=True)
class Recording:
    """What `replay` computes from the numbers that lie in `inputs`, into `outputs`."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    replay: Callable[[], object]


def cuda_graph(passes: Passes, inputs: Sequence[Tensor]) -> Recording:
    """Record the passes over these inputs as a CUDA graph, after a few calls aside, as PyTorch asks for."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            passes(*inputs)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = passes(*inputs)
    return Recording(inputs, outputs, graph.replay)


RECORDERS: dict[str, Callable[[Passes, Sequence[Tensor]], Recording]] = {"cuda": cuda_graph}


def captured(passes: Passes, device: torch.device, changed: Iterable[Tensor] = ()) -> Passes:
    """The passes as they run best on the device. `changed`: the tensors that they change in place."""
    recorder = RECORDERS.get(device.type)
    return passes if recorder is None else _Captured(passes, list(changed), recorder)


class _Captured:
    def __init__(
        self, passes: Passes, changed: list[Tensor], recorder: Callable[[Passes, Sequence[Tensor]], Recording]
    ) -> None:
        self.passes, self.changed, self.recorder = passes, changed, recorder
        self.recordings: dict[tuple[torch.Size, ...], Recording] = {}

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        shapes = tuple(each.shape for each in inputs)
        if shapes not in self.recordings:
            self.recordings[shapes] = self._recorded(inputs)
        recording = self.recordings[shapes]
        for place, given in zip(recording.inputs, inputs, strict=True):
            place.copy_(given)
        recording.replay()
        return [each.clone() for each in recording.outputs]  # the next replay writes over them

    def _recorded(self, inputs: Sequence[Tensor]) -> Recording:
        before = [each.clone() for each in self.changed]
        recording = self.recorder(self.passes, [each.clone() for each in inputs])
        for each, value in zip(self.changed, before, strict=True):
            each.copy_(value)
        return recording
