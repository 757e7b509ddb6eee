"""Rows of an external stream as a user makes and reads them: defaults of a method's own, long texts, one task."""

import json

import pytest

from benchmark.cli.main import main
from benchmark.records import store

STREAM = """
import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.utils import as_classification_dataset


def task(x, y):
    data = TensorDataset(x, y)
    data.targets = y.tolist()
    return as_classification_dataset(data)


def stream(seed):
    digits = load_digits()
    x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    parts = [task(x[n : n + 100], y[n : n + 100]) for n in (0, 100, 200, 300)]
    return benchmark_from_datasets(train=parts[:2], test=parts[2:])
"""
QUICK = ["--seeds", "1", "--jobs", "1", "--threads", "1"]


@pytest.fixture
def stream(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STREAM)
    return "mine.py"


def test_stable_sgd_is_not_naive_sgd_there(stream, capsys):
    both = ["--method", "naive", "--method", "stable-sgd"]
    assert main(["run", "--stream", stream, *both, *QUICK, "--results", "r"]) == 0
    naive, stable = store.load_all("r")
    assert (stable.settings["learning_rate_decay"], stable.settings["dropout"]) == (0.8, 0.25)
    assert naive.accuracy_matrix != stable.accuracy_matrix
    again = [*both, *QUICK, "--results", "s", "--set", "dropout=0", "--set", "learning_rate_decay=1"]
    capsys.readouterr()
    assert main(["run", "--stream", stream, *again]) == 0 and main(["table", "--results", "s"]) == 0
    assert "Equal in every accuracy at all common seeds: Naive SGD and Stable SGD." in capsys.readouterr().out
    assert main(["list", "--settings", "--stream", stream, "--method", "stable-sgd"]) == 0
    assert "our choice for streams that the paper does not have" in capsys.readouterr().out.replace("\n", " ")


def test_a_stream_of_one_task_has_no_forgetting(stream, capsys):
    assert main(["run", "--stream", stream, "--method", "naive", *QUICK, "--set", "tasks=1", "--results", "r"]) == 0
    said = capsys.readouterr()
    assert "accuracy" in said.out + said.err and "forgetting" not in said.out + said.err
    assert main(["table", "--results", "r", "--format", "json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert cell["forgetting_mean"] is None and cell["accuracy_mean"] > 0
    assert main(["report", "--results", "r"]) == 0


def test_an_unknown_setting_is_named_with_the_method_that_lacks_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from methods.method import Method\n\n\nclass Own(Method):\n    id = 'own'\n\n"
        "    class Settings(Method.Settings):\n        scale: float = 1.0\n"
    )
    both = ["--method", "./own.py", "--method", "naive", "--stream", "split-digits"]
    assert main(["run", *both, "--set", "scale=2", "--results", "r"]) == 2
    assert "unknown setting 'scale' of naive" in capsys.readouterr().err
