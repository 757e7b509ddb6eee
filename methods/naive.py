"""Naive SGD: the memoryless baseline."""

from methods.method import Method


class NaiveSGD(Method):
    """Plain SGD on one task after another. Nothing prevents forgetting.

        theta <- theta - lr * g,    g = gradient of the mean cross-entropy of the batch

    theta: parameters; lr: learning rate.
    Source: Mirzadeh et al., NeurIPS 2020, table 2, 'Naive SGD'.
    Deviations: none known. The published code uses momentum 0.8 (see the settings).
    """

    id = "naive"
    title = "Naive SGD"
    memoryless = True
    reference = (
        "the baseline of Mirzadeh et al., Understanding the Role of Training Regimes in Continual Learning, "
        "NeurIPS 2020"
    )
    order = 1
    stream_settings = {
        "permuted-mnist": {
            "batch_size": (64, "our search over the paper's grid"),
            "learning_rate": (0.03, "our search over the paper's grid"),
            "momentum": (0.8, "published code, stable_sgd/main.py"),
        },
        "rotated-mnist": {
            "learning_rate": (0.01, "published code, replicate_experiment_2.sh"),
            "momentum": (0.8, "published code, stable_sgd/main.py"),
        },
        "split-cifar100": {
            "learning_rate": (0.01, "published code, replicate_experiment_2.sh"),
            "momentum": (0.8, "published code, stable_sgd/main.py"),
        },
    }

    def step_kind(self) -> tuple[()]:
        """All steps are of one kind."""
        return ()
