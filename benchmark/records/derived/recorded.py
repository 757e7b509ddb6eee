"""Columns for two metrics that every record holds."""

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
    """Mean of a[i, i] over all tasks i, the accuracy on a task directly after learning it."""
    return run.metrics.learning_accuracy


@metric("backward transfer", source="Lopez-Paz and Ranzato, Gradient Episodic Memory, NeurIPS 2017, equation 3")
def backward_transfer(run: Record) -> float | None:
    """Mean of a[T, i] - a[i, i] over all tasks i but the last, a fraction. Forgetting makes it negative.

    Undefined for a single task.
    """
    return run.metrics.backward_transfer if len(run.accuracy_matrix) > 1 else None
