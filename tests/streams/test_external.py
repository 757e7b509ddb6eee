"""Streams from elsewhere: recognised, turned into tensors, trained, recorded and refused as a person meets it."""

import re
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.streams.build import build
from benchmark.streams.names import split, stream_id
from benchmark.streams.outline import kind_named
from methods.arguments import literal
from methods.errors import InputError
from tests.support.process import ROOT

SMALL = ["--set", "train_examples=60", "--set", "hidden=16", "--jobs", "1"]
MIRROR = """
from benchmark.streams.build import build

def stream(seed, kind="split-digits", tasks=3):
    return build(kind, seed, tasks).benchmark
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """The example of docs/avalanche.md as a file."""
    text = (ROOT / "docs/avalanche.md").read_text(encoding="utf-8")
    path = tmp_path_factory.mktemp("streams") / "my_stream.py"
    path.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    return path


def written(folder: Path, text: str, name: str = "other.py") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("scenario, heads, classes", [("task", 2, 2), ("class", 1, 10), ("domain", 1, 10)])
def test_each_scenario_is_recognised(digits, scenario, heads, classes):
    arguments = (("scenario", scenario),)
    stream = build(str(digits), 3, 2, 50, None, arguments)
    assert (stream.heads, stream.classes, stream.shape) == (heads, classes, (64,))
    kind = kind_named(str(digits), 3, {"stream.scenario": scenario})
    assert f"recognised as {scenario}-incremental" in kind.source and kind.tasks == 5
    labels = [experience.task_label for experience in stream.benchmark.train_stream]
    assert labels == ([0, 1] if scenario == "task" else [0, 0])
    assert [len(images) for images in stream.train] == [50, 50]
    if scenario == "class":
        assert not set(stream.train[0].targets.tolist()) & set(stream.train[1].targets.tolist())


@pytest.mark.parametrize("kind", ["split-digits", "permuted-digits"])
def test_a_benchmark_of_the_suite_that_comes_back_as_a_file_is_the_same_stream(tmp_path, kind):
    path = written(tmp_path, MIRROR)
    back, own = build(path, 3, 3, 40, None, (("kind", kind),)), build(kind, 3, 3, 40)
    assert (back.heads, back.classes, back.shape) == (own.heads, own.classes, own.shape)
    for one, two in zip(back.train + back.test, own.train + own.test, strict=True):
        rows = torch.arange(len(two))
        assert torch.equal(one.take(rows).float() / back.scale, two.take(rows).float() / own.scale)
        assert torch.equal(one.targets, two.targets)


@pytest.mark.slow
def test_all_methods_train_on_it_as_on_the_suites_own(tmp_path, capsys):
    path, common = written(tmp_path, MIRROR), [*SMALL, "--seeds", "2", "--results", str(tmp_path / "results")]
    common += ["--set", "learning_rate_decay=0.8", "--set", "dropout=0.25"]  # Stable SGD's differ by stream
    assert main(["run", "--stream", path, *common]) == 0
    assert main(["run", "--stream", "split-digits", "--set", "tasks=3", *common]) == 0
    found = {(r.stream, r.method, r.seed): r for r in store.load_all(tmp_path / "results")}
    assert len(found) == 24
    for (_, method, seed), record in found.items():
        assert record.accuracy_matrix == found["split-digits", method, seed].accuracy_matrix
    assert set(found["other", "naive", 1].provenance.data) == {"other.py", "tensors of seed 0"}


def test_runs_are_recorded_by_arguments_resumed_and_shown(digits, tmp_path, capsys):
    command = ["run", "--method", "naive", "--stream", str(digits), *SMALL, "--results", str(tmp_path / "results")]
    assert main([*command, "--seed", "1", "--set", "stream.scenario=task"]) == 0
    capsys.readouterr()
    assert main([*command, "--seeds", "2", "--set", "stream.scenario=task"]) == 0
    assert "2 runs, 1 recorded already, 1 to do" in capsys.readouterr().out
    assert main([*command, "--seed", "0", "--set", "stream.n_experiences=2"]) == 0
    found = store.load_all(tmp_path / "results")
    assert {r.stream for r in found} == {"my_stream"} and {r.settings["tasks"] for r in found} == {5, 2}
    assert {r.settings["stream.scenario"] for r in found} == {"task", "class"}  # the default is written out
    assert {r.settings["stream.n_experiences"] for r in found} == {5, 2}
    results = ["--results", str(tmp_path / "results")]
    assert main(["table", *results, "--stream", "my_stream", "--figure", str(tmp_path / "curves")]) == 0
    assert "**my_stream**" in capsys.readouterr().out and (tmp_path / "curves.png").exists()
    assert main(["verify", *results]) == 0


def test_seeds_whose_images_differ_in_scale_are_trained_each_as_if_alone(digits, tmp_path):
    """Seed 0's pixels are bytes, the others' are not."""
    noisy = digits.read_text(encoding="utf-8").replace("/ 16", "* 15 / 255 + seed / 1000")
    command = ["run", "--method", "naive", "--stream", written(tmp_path, noisy), *SMALL, "--set", "learning_rate=0.1"]
    for folder, seeds in (("both", ("--seeds", "2")), ("alone", ("--seed", "1"))):
        assert main([*command, *seeds, "--results", str(tmp_path / folder)]) == 0
    _, beside = store.load_all(tmp_path / "both")
    (alone,) = store.load_all(tmp_path / "alone")
    assert (beside.seed, beside.accuracy_matrix) == (1, alone.accuracy_matrix)
    assert beside.provenance.seeds_together == [1]


def forget() -> None:
    """As in a new process."""
    from benchmark.streams import external
    from benchmark.streams.avalanche import convert

    for memory in (external._from_file, external._made):
        memory.cache_clear()
    convert._kept.clear()


def test_an_edited_file_replaces_records_only_when_told_to(tmp_path, capsys):
    path, results = written(tmp_path, MIRROR), tmp_path / "results"
    command = ["run", "--method", "naive", "--stream", path, *SMALL, "--seed", "0", "--results", str(results)]
    assert main(command) == 0 == main(command)
    assert "1 recorded already, none to do" in capsys.readouterr().out
    written(tmp_path, MIRROR + "\n# edited\n")
    forget()
    (before,) = store.load_all(results)
    assert main(command) == 2
    err = capsys.readouterr().err
    assert "holds runs of naive on a stream other with other data (seed 0)" in err and "--force" in err
    assert store.load_all(results) == [before]
    assert main([*command, "--force"]) == 0
    (after,) = store.load_all(results)
    assert after.provenance.data != before.provenance.data


def test_list_says_what_was_recognised(digits, capsys):
    assert main(["list", "--method", "naive", "--stream", str(digits), "--set", "stream.scenario=domain"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "recognised as domain-incremental" in out and "one head, of 10 classes" in out
    assert "naive on my_stream" in out and "stream.scenario domain given here" in out


BAD = {
    "def stream(seed): return 3": "gives a int, not an Avalanche benchmark",
    "streams = 1": "no function stream(seed, ...)",
    "def stream(seed):\n    return [][seed]": "line 2: IndexError",
    "def stream(seed: int, size): pass": "needs size",
    "import nothing_like_this": "No module named",
    "def stream(seed) return": "SyntaxError",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_is_one_line(tmp_path, capsys, text):
    command = ["run", "--method", "naive", "--stream", written(tmp_path, text), "--results", str(tmp_path / "results")]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert BAD[text] in err and err.count("\n") == 1 and "Traceback" not in err


SHAPES = """
import torch
from avalanche.benchmarks import benchmark_from_datasets, with_task_labels
from avalanche.benchmarks.utils import TaskLabels, ConstantSequence, as_classification_dataset
from torch.utils.data import TensorDataset

def part(shape, label, items):
    data = TensorDataset(torch.rand(items, *shape), torch.arange(items) % 2)
    data.targets = (torch.arange(items) % 2).tolist()
    labels = TaskLabels(ConstantSequence(label, items))
    return as_classification_dataset(data).update_data_attribute("targets_task_labels", labels)

def stream(seed, side=8, channels=1, labels="[0, 1]", tests=2):
    parts = [part((channels, side, side), label, 12) for label in labels]
    return with_task_labels(benchmark_from_datasets(train=parts, test=parts[:tests]))
"""


@pytest.mark.parametrize(
    "argument, part",
    [
        ("side=9", ""),
        ("tests=1", "2 training and 1 test experiences"),
        ("labels=[0,0,1]", "either all must be equal, or no two"),
        ("sides=3", "did you mean 'stream.side'?"),
        ("tests=two", "TypeError"),
    ],
)
def test_benchmarks_that_do_not_fit_are_one_line(tmp_path, capsys, argument, part):
    path = written(tmp_path, SHAPES)
    base = ["--set", "stream.labels=[0, 1]"] if not argument.startswith("labels") else ["--set", "stream.tests=3"]
    code = main(["list", "--method", "naive", "--stream", path, *base, "--set", f"stream.{argument}"])
    err = capsys.readouterr().err
    assert code == (2 if part else 0) and part in err and err.count("\n") == bool(part)


def test_examples_without_a_default_network_are_one_line(tmp_path, capsys):
    path = written(tmp_path, SHAPES)
    of_path = ["--method", "naive", "--stream", path, "--set", "stream.channels=3", "--set", "stream.labels=[0, 1]"]
    assert main(["list", *of_path]) == 0 and "no network of its own" in capsys.readouterr().out
    assert main(["run", *of_path, *SMALL[2:], "--results", str(tmp_path / "results")]) == 2
    err = capsys.readouterr().err
    assert "examples of 3 x 8 x 8, for which the suite has no default network" in err and err.count("\n") == 1


def test_a_function_of_any_keywords_takes_any_argument(tmp_path):
    path = written(
        tmp_path,
        MIRROR.replace("tasks=3):", "*more, **options):").replace("tasks).", 'options.get("tasks", 2)).'),
        "keywords.py",
    )
    assert len(build(path, 0, 2, 20).train) == 2
    assert len(build(path, 0, 4, 20, None, (("tasks", 4),)).train) == 4


def test_images_of_three_channels_go_to_the_resnet(tmp_path):
    arguments = (("channels", 3), ("labels", "[0, 0]"), ("side", 32))
    stream = build(written(tmp_path, SHAPES), 0, 2, 0, None, arguments)
    assert stream.kind.network == "resnet18" and stream.shape == (3, 32, 32) and stream.heads == 1


@pytest.mark.parametrize(
    "name, part",
    [
        ("avalanche:SplitMNST", "did you mean 'avalanche:SplitMNIST'?"),
        ("avalanche:", "it has"),
        ("avalanche:SplitFMNIST", "nothing is downloaded here"),
        ("./permuted-digits.py", "is a stream of the suite"),
        ("./no/such.py", "cannot read"),
        ("./a b.py", "no Python file named with"),
        ("./a².py", "no Python file named with"),
        (f"./{'a' * 201}.py", "no Python file named with"),
        ("./search.py", "folder search, which has a use"),
        ("./gpu.py", "folder gpu, which has a use"),
    ],
)
def test_names_that_lead_nowhere_are_one_line(name, part, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    code = main(["run", "--method", "naive", "--stream", name, "--set", "stream.n_experiences=5", "--results", "r"])
    err = capsys.readouterr().err
    assert code == 2 and part in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_one_name_are_refused(digits, tmp_path, capsys):
    other = written(tmp_path, MIRROR, "my_stream.py")
    assert main(["run", "--stream", str(digits), "--stream", other, "--results", str(tmp_path / "results")]) == 2
    assert "would be recorded as one stream" in capsys.readouterr().err


def test_split_mnist_by_name(real_data):
    arguments = (("n_experiences", 5), ("return_task_id", True), ("train_transform", None), ("eval_transform", None))
    stream = build("avalanche:SplitMNIST", 0, 2, 30, real_data, arguments)
    assert stream.heads == 2 and stream.classes == 2 and stream.shape == (784,) and len(stream.train) == 2
    assert stream.train[0].base.dtype == torch.uint8 and stream.scale == 255
    assert set(stream.digests) == {
        f"{part}-ubyte" for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    }


def test_arguments_are_read_as_python_writes_them_and_recorded_as_numbers_or_text():
    assert split("avalanche:X", {"stream.a": "5", "stream.b": "[1, 2]", "stream.c": "None", "tasks": "2"}) == (
        {"stream.a": 5, "stream.b": "[1, 2]", "stream.c": None},
        {"tasks": "2"},
    )
    assert literal("[1, 2]") == [1, 2] and literal("task") == "task"
    assert split("permuted-digits", {"stream.a": "5"}) == ({}, {"stream.a": "5"})
    assert stream_id("/some/where/mine.py") == "mine" and stream_id("avalanche:X") == "avalanche:X"
    with pytest.raises(InputError):
        split("avalanche:X", {"stream.a": "1e999"})
