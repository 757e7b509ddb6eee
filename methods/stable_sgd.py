"""Stable SGD: the paper's training regime."""

from methods.method import Method


class StableSGD(Method):
    """Plain SGD in a training regime that gives wider minima and shorter steps between them.

        theta <- theta - lr_k * g,    lr_k = max(lr * decay^k, 5e-5) at the k-th task, k = 1, 2, ...

    theta: parameters; lr, decay: the settings learning_rate and learning_rate_decay; g: gradient of the mean
    cross-entropy of the batch, with dropout.
    A large initial learning rate, small batches and dropout reduce the largest curvature lambda_max at a minimum. Decay
    of the learning rate reduces the distance |delta theta| to the next minimum. Together they bound the forgetting
    1/2 * lambda_max * |delta theta|^2.
    Source: Mirzadeh et al., NeurIPS 2020, section 4. The schedule is that of the published code, which decays the rate
    before the first task too.
    Deviations: none in the rule. Only the settings differ from those of naive SGD.
    """

    id = "stable-sgd"
    title = "Stable SGD"
    memoryless = True
    reference = "Mirzadeh et al., Understanding the Role of Training Regimes in Continual Learning, NeurIPS 2020"
    order = 5
    stream_settings = {
        "permuted-mnist": {
            "learning_rate": (0.25, "our search over the paper's grid"),
            "batch_size": (64, "our search over the paper's grid"),
            "learning_rate_decay": (0.7, "our search over the paper's grid"),
            "dropout": (0.25, "our search over the paper's grid"),
        },
        "rotated-mnist": {
            "learning_rate": (0.25, "our search over the paper's grid"),
            "batch_size": (32, "our search over the paper's grid"),
            "learning_rate_decay": (0.55, "author's correction, issue 5 of the published code"),
            "dropout": (0.25, "author's correction, issue 5 of the published code"),
        },
        "split-cifar100": {
            "learning_rate": (0.15, "author's correction, issues 5 and 6 of the published code"),
            "momentum": (0.8, "published code, stable_sgd/main.py"),
            "learning_rate_decay": (0.85, "author's correction, issues 5 and 6 of the published code"),
            "dropout": (0.1, "author's correction, issues 5 and 6 of the published code"),
        },
        "permuted-digits": {
            "learning_rate_decay": (0.8, "chosen for the digits"),
            "dropout": (0.25, "chosen for the digits"),
        },
        "rotated-digits": {
            "learning_rate_decay": (0.8, "chosen for the digits"),
            "dropout": (0.25, "chosen for the digits"),
        },
        "split-digits": {
            "learning_rate_decay": (0.8, "chosen for the digits"),
            "dropout": (0.25, "chosen for the digits"),
        },
        "*": {
            "learning_rate_decay": (0.8, "our choice for streams that the paper does not have: as for the digits"),
            "dropout": (0.25, "our choice for streams that the paper does not have: as for the digits"),
        },
    }

    def step_kind(self) -> tuple[()]:
        """All steps are of one kind."""
        return ()
