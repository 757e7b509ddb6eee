"""Multi-task learning: the upper bound."""

from methods.method import Method


class MultiTask(Method):
    """SGD on all tasks at once: one data set, the union of all tasks, shuffled as a whole.

        theta <- theta - lr * g,    g = gradient of the mean cross-entropy of a batch drawn from all tasks

    theta: parameters; lr: learning rate. Not a continual learner: nothing is forgotten, by construction.
    Source: Mirzadeh et al., NeurIPS 2020, table 2, 'Multi-task learning'. Deviations: none known.
    """

    id = "multitask"

    @classmethod
    def phases(cls, tasks: int) -> list[tuple[int, ...]]:
        """One phase of all tasks."""
        return [tuple(range(tasks))]
