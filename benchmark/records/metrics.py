"""The metrics of a run, from its accuracy matrix alone.

Everywhere `a` is a [T, T] matrix of fractions: a[t, i] is the test accuracy on task i after training
through task t (T tasks, both counted from 0), and None or NaN above the diagonal where a task was not met yet and so
not measured. Definitions: Mirzadeh et al., NeurIPS 2020, section 5; backward transfer: Lopez-Paz and Ranzato, Gradient
Episodic Memory for Continual Learning, NeurIPS 2017, equation 3.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

OF_SEVERAL_TASKS = ("average_forgetting", "backward_transfer")
"""Undefined for a single task."""


def _square(a: ArrayLike) -> np.ndarray:
    matrix = np.asarray(a, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"an accuracy matrix is square and not empty, this one has the shape {matrix.shape}")
    if np.isnan(np.tril(matrix)).any():
        raise ValueError("an accuracy matrix holds the accuracy on every task trained, this one lacks some")
    return matrix


def met(a: ArrayLike) -> np.ndarray:
    """`a` without what it says of tasks not met yet, [T, T], NaN there.

    Equal rows were measured at once, after the last of their tasks: those tasks had been met by then.
    """
    matrix = _square(a)
    rows = np.nan_to_num(matrix, nan=-1)
    at_once = (rows[:, None] == rows).all(2)
    return np.where(np.tri(len(matrix), dtype=bool) | at_once, matrix, np.nan)


def average_accuracies(a: ArrayLike) -> np.ndarray:
    """A_t for every t, [T]: the mean of a[t, i] over the tasks i <= t seen by then, a fraction."""
    matrix = _square(a)
    return np.tril(matrix).sum(axis=1) / np.arange(1, len(matrix) + 1)


def average_accuracy(a: ArrayLike) -> float:
    """A_T: the mean accuracy over all tasks after the last one, a fraction."""
    return float(_square(a)[-1].mean())


def task_forgetting(a: ArrayLike) -> np.ndarray:
    """For every task i < T the maximum over the measured a[t, i] with t < T, less a[T, i]; [T - 1], fractions.

    The maximum leaves the final row out, so a task that ends better than it ever was counts below zero.
    """
    matrix = _square(a)
    return (np.nanmax(matrix[:-1, :-1], axis=0) - matrix[-1, :-1]) if len(matrix) > 1 else np.empty(0)


def average_forgetting(a: ArrayLike) -> float:
    """Mean of `task_forgetting` over the tasks; 0 for a single task, which has nothing to forget."""
    forgetting = task_forgetting(a)
    return float(forgetting.mean()) if forgetting.size else 0.0


def learning_accuracy(a: ArrayLike) -> float:
    """Mean of a[i, i], the accuracy on each task right after learning it; a fraction."""
    return float(np.diagonal(_square(a)).mean())


def backward_transfer(a: ArrayLike) -> float:
    """Mean over tasks i < T of a[T, i] - a[i, i]; a fraction, negative where they are forgotten.

    0 for a single task.
    """
    matrix = _square(a)
    if len(matrix) == 1:
        return 0.0
    return float((matrix[-1, :-1] - np.diagonal(matrix)[:-1]).mean())


def defined(metrics: Mapping[str, float | None], tasks: int) -> dict[str, float | None]:
    """The metrics of a record, by name, as they are shown: None for forgetting and backward transfer of a single task.

    A record holds 0 for both; a task that is alone has nothing to forget.
    """
    return {name: None if tasks == 1 and name in OF_SEVERAL_TASKS else value for name, value in metrics.items()}


def summarize(a: ArrayLike) -> dict[str, float]:
    """The four metrics that a record holds, by name."""
    metrics = (average_accuracy, average_forgetting, learning_accuracy, backward_transfer)
    return {metric.__name__: metric(a) for metric in metrics}
