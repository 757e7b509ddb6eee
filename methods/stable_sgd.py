"""Stable SGD: the paper's training regime."""

from methods.method import Method


class StableSGD(Method):
    """Plain SGD in a regime that widens the minima and shortens the path between them.

        theta <- theta - lr_k * g,    lr_k = max(lr * decay^k, 5e-5) at the k-th task, k = 1, 2, ...

    theta: parameters; g: gradient of the mean cross-entropy of the batch, under dropout.
    A large first learning rate, small batches and dropout make the curvature lambda_max of a minimum small, decay
    makes the step away from it short; both bound the forgetting 1/2 * lambda_max * |delta theta|^2.
    Source: Mirzadeh et al., NeurIPS 2020, section 4; the schedule as in the published code, which decays
    before the first task. Deviations: none in the rule; it differs from naive SGD by its settings alone.
    """

    id = "stable-sgd"
