"""What the published code itself gives, from restatements of its networks and update rules in plain PyTorch.

`make published` runs every line of CIFAR and MNIST that is not in results/published.json yet (minutes each, on one
thread), keeps each run as it ends and puts the tables into docs/reproduction.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path

import torch
from tabulate import tabulate

from benchmark.common import files
from benchmark.common.files import insert
from benchmark.records import metrics
from benchmark.records.provenance import processor, versions
from benchmark.streams.build import build
from benchmark.streams.datasets import load
from benchmark.studies.paper_grid import SEED
from benchmark.tables.published import PUBLISHED
from methods.catalogue import METHOD_ROWS
from methods.settings import Settings, settings_for
from tests.oracles import published_cifar, published_column, published_mnist
from tests.oracles.published_cifar import TASKS, Examples, Run, drawn_tasks, published_tasks

CIFAR = {
    "Stable SGD, the author's correction": Run(0.15, 0.85, 0.1, 0.8),
    "the same, classes drawn by the seed": Run(0.15, 0.85, 0.1, 0.8, drawn=True),
    "the same, both convolutions": Run(0.15, 0.85, 0.1, 0.8, whole=True),
    "naive SGD, the scripts' values": Run(0.01, 1.0, 0.0, 0.8),
    "naive SGD, classes drawn by the seed": Run(0.01, 1.0, 0.0, 0.8, drawn=True),
}
CIFAR_HEADERS = [
    "run",
    "learning rate",
    "decay",
    "dropout",
    "momentum",
    "accuracy %",
    "forgetting",
    "learning accuracy %",
]
COLUMN = ("naive", "ewc", "agem", "er-reservoir", "stable-sgd")
COLUMN_HEADERS = ["method", "accuracy %", "forgetting", "paper", ""]
MNIST = list(product(("permuted-mnist", "rotated-mnist"), ("ewc", "agem", "er-reservoir")))
MNIST_HEADERS = ["stream", "method", "paper", "", "dropout in evaluation", "", "none in evaluation", ""]

Matrix = list[list[float | None]]
Done = dict[
    str, dict[str, object]
]  # run -> its accuracy matrices by name, what it ran on, settings of a suite's method
Call = Callable[[], Mapping[str, object]]


def figures(matrix: Matrix) -> list[str]:
    """Accuracy in percent, and forgetting."""
    summary = metrics.summarize(matrix)
    return [f"{100 * summary['average_accuracy']:.1f}", f"{summary['average_forgetting']:.2f}"]


def cifar_text(done: Done) -> str:
    """The table of the runs on Split CIFAR-100 that are done."""
    rows = []
    for name, run in CIFAR.items():
        if name in done:
            matrix = done[name]["accuracy_matrix"]
            learning = f"{100 * metrics.learning_accuracy(matrix):.1f}"
            values = (f"{value:g}" for value in (run.rate, run.decay, run.dropout, run.momentum))
            rows.append([name, *values, *figures(matrix), learning])
    return _table(rows, CIFAR_HEADERS, 1, [done[name] for name in CIFAR if name in done])


def mnist_text(done: Done) -> str:
    """The table of the runs on the MNIST streams that are done, beside the paper's figures."""
    rows = []
    for stream, method in MNIST:
        run, paper = done.get(f"{method} on {stream}"), PUBLISHED[method, stream]
        if run:
            rows.append(
                [
                    stream,
                    METHOD_ROWS[method].title,
                    f"{paper.accuracy:.1f}",
                    f"{paper.forgetting:.2f}",
                    *figures(run["accuracy_matrix"]),
                    *figures(run["without_dropout"]),
                ]
            )
    ran = [run for stream, method in MNIST if (run := done.get(f"{method} on {stream}"))]
    return _table(rows, MNIST_HEADERS, 2, ran)


def column_text(done: Done) -> str:
    """The suite's methods on the published network and classes, beside the paper's figures."""
    ran, rows = column_runs(done), []
    for method, run in ran.items():
        paper = PUBLISHED[method, "split-cifar100"]
        rows.append(
            [
                METHOD_ROWS[method].title,
                *figures(run["accuracy_matrix"]),
                f"{paper.accuracy:.1f}",
                f"{paper.forgetting:.2f}",
            ]
        )
    return _table(rows, COLUMN_HEADERS, 1, list(ran.values()))


def column_runs(done: Done) -> Done:
    """By method, those of the suite's methods whose settings are still the method's own."""
    ran = {method: done[name] for method in COLUMN if (name := _in_column(method)) in done}
    return {method: run for method, run in ran.items() if run["settings"] == dict(_settings(method))}


def _table(rows: list[list[object]], headers: list[str], words: int, ran: list[dict[str, object]]) -> str:
    alignment = ["left"] * words + ["right"] * (len(headers) - words)
    table = tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=alignment)
    machines = dict.fromkeys(f"{run['processor']}, torch {run['versions']['torch']}" for run in ran)
    return f"{table}\n\n`make published`, seed {SEED}, {'; '.join(machines)}."


def missing(done: Done, data: Path | None) -> list[tuple[str, Call]]:
    """The name of each run that is not done, and a call that gives its accuracy matrices by name.

    A run of a method of the suite is done anew where its settings have changed.
    """
    calls: dict[str, Call] = {
        **{f"{method} on {stream}": partial(_mnist, method, stream, data) for stream, method in MNIST},
        **{name: partial(_cifar, run, data) for name, run in CIFAR.items()},
    }
    ran = column_runs(done)
    column = {_in_column(method): partial(_column, method, data) for method in COLUMN if method not in ran}
    return [(name, call) for name, call in calls.items() if name not in done] + list(column.items())


def _in_column(method: str) -> str:
    return f"{method} on the published classes and network"


def _settings(method: str) -> Settings:
    return settings_for(method, "split-cifar100")


def _column(method: str, data: Path | None) -> Mapping[str, object]:
    settings = _settings(method)
    matrix = published_column.train(method, settings, *_tasks(False, data), SEED)
    return {"accuracy_matrix": matrix, "settings": dict(settings)}


def _mnist(method: str, stream: str, data: Path | None) -> Mapping[str, Matrix]:
    matrices = published_mnist.train(method, stream, load("mnist", data), SEED)
    return {"accuracy_matrix": matrices[True], "without_dropout": matrices[False]}


def _cifar(run: Run, data: Path | None) -> Mapping[str, Matrix]:
    return {"accuracy_matrix": published_cifar.train(run, *_tasks(run.drawn, data), SEED)}


def _tasks(drawn: bool, data: Path | None) -> list[list[Examples]]:
    """The training and the test sets of the tasks."""
    if drawn:
        stream = build("split-cifar100", SEED, TASKS, 0, data)
        return [drawn_tasks(stream.train), drawn_tasks(stream.test)]
    images = load("cifar100", data)
    return [
        published_tasks(images.train_images, images.train_labels),
        published_tasks(images.test_images, images.test_labels),
    ]


def main(store: Path, document: Path) -> None:
    """Run what is missing, keeping each run as it ends; write the tables into the document."""
    torch.set_num_threads(1)
    done: Done = json.loads(store.read_text()) if store.exists() else {}
    named = os.environ.get("BENCHMARK_DATA")
    for name, run in missing(done, Path(named) if named else None):
        done[name] = {**run(), "processor": processor(), "versions": versions()}
        files.write(store, json.dumps(done, indent=1).encode())
        print(name, *figures(done[name]["accuracy_matrix"]), flush=True)
    insert(cifar_text(done), document, "published")
    insert(mnist_text(done), document, "published-mnist")
    insert(column_text(done), document, "published-column")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
