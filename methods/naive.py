"""Naive SGD: the memoryless baseline."""

from methods.method import Method


class NaiveSGD(Method):
    """Plain SGD on one task after another, with nothing against forgetting.

        theta <- theta - lr * g,    g = gradient of the mean cross-entropy of the batch

    theta: parameters; lr: learning rate. Source: Mirzadeh et al., NeurIPS 2020, table 2, 'Naive SGD'.
    Deviations: none known; the published code adds momentum 0.8 (see the settings).
    """

    id = "naive"
