"""Multi-task learning, an upper bound."""

from methods.method import Method


class MultiTask(Method):
    """SGD on the shuffled union of all tasks.

        theta <- theta - lr * g,    g = gradient of the mean cross-entropy of a batch drawn from all tasks

    theta: parameters; lr: learning rate. This is not continual learning: all tasks are trained together, so no task is
    forgotten.
    Source: Mirzadeh et al., NeurIPS 2020, table 2, 'Multi-task learning'. Deviations: none known.
    """

    id = "multitask"
    title = "Multi-task"
    memoryless = None
    reference = "Caruana, Multitask Learning, Machine Learning 1997; an upper bound here"
    order = 6
    stream_settings = {
        "permuted-mnist": {"learning_rate": (0.001, "our search over the paper's grid")},
        "rotated-mnist": {"learning_rate": (0.001, "our search over the paper's grid")},
        "split-cifar100": {"learning_rate": (0.01, "our search over the paper's grid")},
    }

    @classmethod
    def phases(cls, tasks: int) -> list[tuple[int, ...]]:
        """One phase with all tasks."""
        return [tuple(range(tasks))]

    def step_kind(self) -> tuple[()]:
        """All steps are of one kind."""
        return ()
