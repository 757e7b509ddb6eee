"""Accuracy on all tasks seen so far, measured during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from benchmark.training.probe import Probe, View
from methods.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

MOST = 300_000
"""Maximum number of accuracies in a run: about 2 MB in its record, and 10 MB of memory when it is read."""


class Continual(Probe):
    """Accuracy on a fixed sample of the test set of each task seen so far, every k steps and at the end of each phase.

    accuracy[n][i]: the accuracy on task i in measurement n, a fraction. Each seed has its own sample for the whole run.
    Source: De Lange, van de Ven and Tuytelaars, Continual evaluation for lifelong learning: Identifying the stability
    gap, ICLR 2023. They evaluate on a sample of each task's test set after every step.
    """

    name = "continual"

    class Options(Probe.Options):
        """every: steps between measurements. examples: size of the sample of each task; 0 takes the whole test set."""

        every: int = Field(10, ge=0, le=10**9)
        examples: int = Field(100, ge=0, le=10**9)

    def __init__(self, options: Options, view: View) -> None:
        super().__init__(options, view)
        _check_size(options.every, view)
        self.samples = [
            [_sample(len(test), options.examples, generator) for test in stream.test]
            for stream, generator in zip(view.streams, view.generators("continual"), strict=True)
        ]

    def measure(self, view: View) -> dict[str, list[list[float]]]:
        """See Probe.measure. accuracy: [S][tasks seen so far]."""
        tasks = range(view.met)
        return {
            "accuracy": [
                [view.accuracy(index, task, rows[task]) for task in tasks] for index, rows in enumerate(self.samples)
            ]
        }


def _sample(length: int, count: int, generator) -> Tensor | None:
    """`count` of `length` rows, drawn without replacement, in ascending order, int64 [count]; None for all rows."""
    import torch

    if count == 0 or count >= length:
        return None
    return torch.randperm(length, generator=generator)[:count].sort().values


def _check_size(every: int, view: View) -> None:
    """Raises InputError before training if the record would hold too many accuracies."""
    count, met = 0, 0
    for tasks, steps in zip(view.phases, view.steps, strict=True):
        met += len(tasks)
        count += met * (-(-steps // every) if every else 1)
    if count > MOST:
        raise InputError(
            f"--measure continual: every={every} would record {count:,} accuracies per run, more than {MOST:,}; "
            f"choose every={-(-every * count // MOST)} or more"
        )
