"""Two metrics that every record holds, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.records.derived import metric

if TYPE_CHECKING:
    from benchmark.records.schema import Record


@metric(
    "learning accuracy",
    unit="%",
    source="Riemer et al., Learning to Learn without Forgetting by Maximizing Transfer, ICLR 2019",
)
def learning_accuracy(run: Record) -> float | None:
    """Mean over the tasks of a[i, i], the accuracy on a task right after learning it."""
    return run.metrics.learning_accuracy


@metric("backward transfer", source="Lopez-Paz and Ranzato, Gradient Episodic Memory, NeurIPS 2017, equation 3")
def backward_transfer(run: Record) -> float | None:
    """Mean over the tasks before the last of a[T, i] - a[i, i], a fraction; negative where tasks are forgotten.

    Undefined for a single task.
    """
    return run.metrics.backward_transfer if len(run.accuracy_matrix) > 1 else None
