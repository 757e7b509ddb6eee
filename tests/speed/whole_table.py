"""The time of the whole table, computed from the steps and evaluations timed: 90 runs at the paper's batch of 10.

Memory batches hold 10 as well, but ER's on Split CIFAR-100, which the table has larger and which is timed as such.
"""

from __future__ import annotations

TASKS, SEEDS = 20, 5
STEPS = {"MNIST": 6000, "CIFAR": 250}  # a task
MNIST_STREAMS = 2


def whole_table(speed: dict) -> dict[str, float]:
    """Hours on this machine's cores, all of them busy: of the 60 runs on MNIST and of the 30 on Split CIFAR-100."""
    cores = speed["conditions"]["cores"] * 3600
    mnist = {method: times["ours"] for method, times in speed["mnist_step"].items()}
    cifar = {method: times["ours"] for method, times in speed["cifar_step"].items()} | speed["cifar_rest"]
    evaluation = speed["evaluation"]
    return {
        "MNIST": SEEDS
        * MNIST_STREAMS
        * (_run("MNIST", mnist, evaluation["permuted-mnist"]) + TASKS * speed["fisher"]["ours"])
        / cores,
        "Split CIFAR-100": SEEDS * _run("CIFAR", cifar, evaluation["split-cifar100"]) / cores,
    }


def _run(data: str, steps: dict[str, float], evaluation: float) -> float:
    """Seconds of one run of each method; `evaluation`: of all tasks once. After task t, t tasks are evaluated."""
    passes = {method: 1 if method == "multitask" else (TASKS + 1) / 2 for method in steps}
    return sum(TASKS * STEPS[data] * step + passes[method] * evaluation for method, step in steps.items())
