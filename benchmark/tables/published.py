"""The published table that the suite's own stands beside.

Source: S. I. Mirzadeh, M. Farajtabar, R. Pascanu, H. Ghasemzadeh, Understanding the Role of Training Regimes
in Continual Learning, NeurIPS 2020 (arXiv 2006.06958), Table 2.
"""

from typing import NamedTuple

SOURCE = "Mirzadeh et al., NeurIPS 2020, Table 2"


class Figure(NamedTuple):
    """A published cell, ± over 5 runs as printed; None where the paper prints no ±."""

    accuracy: float  # percent
    accuracy_std: float
    forgetting: float  # fraction
    forgetting_std: float | None


PUBLISHED: dict[tuple[str, str], Figure] = {
    ("naive", "permuted-mnist"): Figure(44.4, 2.46, 0.53, 0.03),
    ("naive", "rotated-mnist"): Figure(46.3, 1.37, 0.52, 0.01),
    ("naive", "split-cifar100"): Figure(40.4, 2.83, 0.31, 0.02),
    ("ewc", "permuted-mnist"): Figure(70.7, 1.74, 0.23, 0.01),
    ("ewc", "rotated-mnist"): Figure(48.5, 1.24, 0.48, 0.01),
    ("ewc", "split-cifar100"): Figure(42.7, 1.89, 0.28, 0.03),
    ("agem", "permuted-mnist"): Figure(65.7, 0.51, 0.29, 0.01),
    ("agem", "rotated-mnist"): Figure(55.3, 1.47, 0.42, 0.01),
    ("agem", "split-cifar100"): Figure(50.7, 2.32, 0.19, 0.04),
    ("er-reservoir", "permuted-mnist"): Figure(72.4, 0.42, 0.16, 0.01),
    ("er-reservoir", "rotated-mnist"): Figure(69.2, 1.10, 0.21, 0.01),
    ("er-reservoir", "split-cifar100"): Figure(46.9, 0.76, 0.21, 0.03),
    ("stable-sgd", "permuted-mnist"): Figure(80.1, 0.51, 0.09, 0.01),
    ("stable-sgd", "rotated-mnist"): Figure(70.8, 0.78, 0.10, 0.02),
    ("stable-sgd", "split-cifar100"): Figure(59.9, 1.81, 0.08, 0.01),
    ("multitask", "permuted-mnist"): Figure(86.5, 0.21, 0.0, None),
    ("multitask", "rotated-mnist"): Figure(87.3, 0.47, 0.0, None),
    ("multitask", "split-cifar100"): Figure(64.8, 0.72, 0.0, None),
}
