"""What is checked about external streams: each fault is one line that names task, count and remedy."""

from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.streams.build import build

FAULTS = '''
import sys
import numpy as np
import torch
from avalanche.benchmarks import benchmark_from_datasets, ni_benchmark, with_task_labels
from avalanche.benchmarks.utils import ConstantSequence, TaskLabels, as_classification_dataset
from torch.utils.data import Dataset, TensorDataset


class Examples(Dataset):
    """Images, targets, and what an example gives, which may go wrong."""

    def __init__(self, images, targets, give=None):
        self.images, self.targets, self.give = images, targets, give

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.give(self, row) if self.give else (self.images[row], self.targets[row])


def data(task, count=40, classes=2, seed=0):
    numbers = torch.Generator().manual_seed(100 * seed + task)
    return torch.rand(count, 16, generator=numbers), [row % classes for row in range(count)]


def part(images, targets, give=None):
    return as_classification_dataset(Examples(images, targets, give))


def raised(error):
    def give(self, row):
        if row == 5:
            raise error
        return self.images[row], self.targets[row]

    return give


def given(example):
    return lambda self, row: example(self, row) if row == 5 else (self.images[row], self.targets[row])


LABELS = {
    "tenths": lambda y: [0.2 if label else 0.7 for label in y],
    "text": lambda y: ["cat" if label else "dog" for label in y],
    "digits as text": lambda y: [str(label) for label in y],
    "nan": lambda y: [float("nan"), *y[1:]],
    "none": lambda y: [None, *y[1:]],
    "column": lambda y: torch.tensor(y)[:, None],
    "lists": lambda y: [[label] for label in y],
    "one-hot": lambda y: torch.eye(2)[torch.tensor(y)],
    "negative": lambda y: [-1, *y[1:]],
    "infinite": lambda y: np.array([np.inf, *y[1:]]),
    "too few": lambda y: y[:-1],
    "whole floats": lambda y: [float(label) for label in y],
    "numpy": lambda y: np.array(y, dtype=np.int16),
}
EXAMPLES = {
    "missing file": raised(FileNotFoundError(2, "No such file", "5.png")),
    "index": given(lambda self, row: self.images[row + 1000]),
    "dictionary": given(lambda self, row: {"image": self.images[row], "label": 0}),
    "sparse": given(lambda self, row: (self.images[row].to_sparse(), self.targets[row])),
    "complex": given(lambda self, row: (self.images[row] + 1j, self.targets[row])),
    "stop": raised(StopIteration()),
    "exit": raised(SystemExit(0)),
    "generator exit": raised(GeneratorExit()),
    "array": given(lambda self, row: (self.images[row].numpy(), self.targets[row])),
    "shape": given(lambda self, row: (self.images[row][:9], self.targets[row])),
    "type": given(lambda self, row: (self.images[row].byte(), self.targets[row])),
    "label": given(lambda self, row: (self.images[row], 1 - self.targets[row])),
    "column": given(lambda self, row: (self.images[row], torch.tensor([self.targets[row]]))),
    "gradient": given(lambda self, row: (self.images[row].requires_grad_(), self.targets[row])),
}
PIXELS = {
    "nan": lambda x: x.index_fill(1, torch.tensor(2), float("nan")),
    "bytes": lambda x: (255 * x).byte(),
    "bytes as floats": lambda x: 255 * x,
    "whole": lambda x: (16 * x).round(),
    "integers": lambda x: (255 * x).long(),
    "standardised": lambda x: 6 * x - 3,
    "wide": lambda x: 60 * x - 30,
    "dark": lambda x: (2 * x).byte(),
}


def stream(seed, labels="", examples="", pixels="", where="train", other=""):
    train, test = [data(0, seed=seed), data(1, seed=seed)], [data(2, seed=seed), data(3, seed=seed)]
    which = train if where == "train" else test
    if labels:
        which[1] = which[1][0], LABELS[labels](which[1][1])
    if pixels in ("nan", "bytes"):
        which[1] = PIXELS[pixels](which[1][0]), which[1][1]
    if pixels and pixels != "nan":
        every = lambda parts: [(x if x.dtype == torch.uint8 else PIXELS[pixels](x), y) for x, y in parts]
        train, test = every(train), every(test)
    give = {which is train: EXAMPLES[examples]} if examples else {}
    made = [[part(*train[0]), part(*train[1], give.get(True))], [part(*test[0]), part(*test[1], give.get(False))]]
    return benchmark_from_datasets(train=made[0], test=made[1])
'''


@pytest.fixture(scope="module")
def faults(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("streams") / "faults.py"
    path.write_text(FAULTS, encoding="utf-8")
    return str(path)


def file(folder: Path, body: str, name: str = "mine.py") -> str:
    """A stream file over the same helpers, with a function of its own."""
    path = folder / name
    path.write_text(FAULTS + "\n\n" + body, encoding="utf-8")
    return str(path)


def run(path: str, results: Path, *more: str) -> int:
    return main(
        ["run", "--method", "naive", "--stream", path, "--seeds", "1", "--jobs", "1", "--results", str(results), *more]
    )


def refused(capsys, code: int) -> str:
    err = capsys.readouterr().err
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err, err
    return err


@pytest.mark.parametrize(
    "labels, said",
    [
        ("tenths", "row 0: the label 0.7 is not a whole number (40 of 40 labels); give each class a whole number"),
        ("text", "row 0: the label 'dog' is text (40 of 40 labels)"),
        ("digits as text", "the label '0' is text"),
        ("nan", "row 0: the label nan is not a whole number (1 of 40 labels)"),
        ("none", "the label None is missing (1 of 40 labels)"),
        ("column", "the label [0] is a list (40 of 40 labels); give one whole number per example: column 0"),
        ("lists", "the label [0] is a list"),
        ("one-hot", "the label [1.0, 0.0] is a list (40 of 40 labels); give one whole number per example"),
        ("negative", "the label -1 is negative (1 of 40 labels)"),
        ("infinite", "is not a whole number (1 of 40 labels)"),
        ("too few", "has 40 examples and 39 labels"),
    ],
)
@pytest.mark.parametrize("where, name", [("train", "training"), ("test", "test")])
def test_a_label_that_is_no_class_is_one_line(faults, tmp_path, capsys, labels, said, where, name):
    changes = ["--set", f"stream.labels={labels}", "--set", f"stream.where={where}"]
    err = refused(capsys, run(faults, tmp_path / "results", *changes))
    assert f"task 2 of the {name} stream" in err or "line " in err
    listed = refused(capsys, main(["list", "--method", "naive", "--stream", faults, *changes]))
    assert listed == err
    if "line " not in err:  # Avalanche itself refuses some as the stream is made
        assert said in err


@pytest.mark.parametrize("labels", ["whole floats", "numpy"])
def test_whole_numbers_of_any_type_are_classes(faults, labels):
    stream, plain = build(faults, 0, 2, 0, None, (("labels", labels),)), build(faults, 0, 2)
    assert torch.equal(stream.train[1].targets, plain.train[1].targets)


@pytest.mark.parametrize(
    "examples, said",
    [
        ("missing file", "FileNotFoundError"),
        ("index", "IndexError"),
        ("dictionary", ""),
        ("sparse", "give a dense tensor of real numbers"),
        ("complex", "complex64: give a dense tensor"),
        ("stop", "StopIteration"),
        ("exit", "SystemExit: 0"),
        ("generator exit", "GeneratorExit"),
        ("array", "gives a ndarray, not a tensor"),
        ("shape", "has an image of the shape (9,)"),
        ("type", "has an image of torch.uint8, but row 0 has not"),
        ("label", "has the label 0, but its targets have 1"),
        ("column", "the label tensor([1]) has the shape [1]"),
    ],
)
@pytest.mark.parametrize("where, name", [("train", "training"), ("test", "test")])
def test_an_example_that_cannot_be_read_is_one_line(faults, tmp_path, capsys, examples, said, where, name):
    changes = ["--set", f"stream.examples={examples}", "--set", f"stream.where={where}"]
    err = refused(capsys, run(faults, tmp_path / "results", *changes))
    assert f"task 2 of the {name} stream, row 5" in err and said in err
    assert store.load_all(tmp_path / "results") == []


def test_an_image_that_keeps_a_gradient_is_an_image(faults):
    assert torch.equal(
        build(faults, 0, 2, 0, None, (("examples", "gradient"),)).train[1].base, build(faults, 0, 2).train[1].base
    )


@pytest.mark.parametrize(
    "pixels, said",
    [
        ("nan", "task 2 of the training stream, row 0, has a pixel that is NaN or infinite (40 of 40 images)"),
        ("bytes as floats", "scale them to [0, 1]"),
        ("whole", "pixels go from 0 to 16"),
        ("integers", "of the type uint8, which are divided by 255"),
    ],
)
def test_pixels_that_were_never_scaled_or_are_not_finite_are_refused(faults, tmp_path, capsys, pixels, said):
    assert said in refused(capsys, run(faults, tmp_path / "results", "--set", f"stream.pixels={pixels}"))


def test_a_test_image_that_is_not_finite_is_refused(faults, tmp_path, capsys):
    code = run(faults, tmp_path / "results", "--set", "stream.pixels=nan", "--set", "stream.where=test")
    assert "task 2 of the test stream, row 0, has a pixel that is NaN" in refused(capsys, code)


def test_bytes_are_divided_by_255_exactly(faults):
    stream, floats = build(faults, 0, 2, 0, None, (("pixels", "bytes"),)), build(faults, 0, 2)
    assert stream.scale == 255 and stream.train[0].base.dtype == torch.uint8
    assert torch.equal(stream.train[0].base, (255 * floats.train[0].base).byte())


@pytest.mark.parametrize(
    "pixels, said", [("standardised", ""), ("wide", "pixels go from -"), ("dark", "to 0.003922 after")]
)
def test_standardised_images_are_taken_and_unusual_ones_are_said_once(faults, tmp_path, capsys, pixels, said):
    more = ["--method", "ewc", "--seeds", "2", "--set", f"stream.pixels={pixels}"]
    assert run(faults, tmp_path / "results", *more) == 0
    err = capsys.readouterr().err
    assert err.count("warning: ") == bool(said) == err.count("\n") and said in err
    assert run(faults, tmp_path / "results", *more) == 0  # none to do
    assert capsys.readouterr().err == ""


SETS = {
    "an empty task": (
        "[part(*data(0, 0)), part(*data(1))], [part(*data(2)), part(*data(3))]",
        "error",
        "task 1 of the training stream has no examples (0 rows)",
    ),
    "an empty test set": (
        "[part(*data(0)), part(*data(1))], [part(*data(2)), part(*data(3, 0))]",
        "error",
        "task 2 of the test stream has no examples",
    ),
    "test images that are training images": (
        "[part(*data(0)), part(*data(1))], [part(*data(1)), part(*data(3))]",
        "warning",
        "test images are also training images: 40 of 40 of task 1 (in training of task 2)",
    ),
    "a class that is never trained": (
        "[part(*data(0)), part(*data(1))], [part(*data(2)), part(*data(3, 40, 4))]",
        "warning",
        "classes that their task never trains: task 2 (20 of 40 images, classes 2, 3)",
    ),
    "test sets in another order": (
        "[part(*data(0)), part(data(1)[0], [2, 3] * 20)], [part(data(2)[0], [2, 3] * 20), part(*data(3))]",
        "error",
        "the test set of task 1 has 40 images, none of a class that task 1 trains (trained: 0, 1; tested: 2, 3)",
    ),
    "types": (
        "[part(*data(0)), part(PIXELS['bytes'](data(1)[0]), data(1)[1])], [part(*data(2)), part(*data(3))]",
        "error",
        "its images are of several types",
    ),
    "one class that is never trained in one test set": (
        "[part(*data(0)), part(*data(1))], [part(*data(2, 40, 3))]",
        "warning",
        "the one test set of all tasks has 13 images of class 2, which is never trained",
    ),
    "few examples and unequal counts": (
        "[part(data(0, 3)[0], [0, 0, 1]), part(*data(1, 7))], [part(*data(2)), part(*data(3))]",
        "",
        "",
    ),
}


@pytest.mark.parametrize("case", SETS)
def test_what_sets_of_examples_lack_or_share(tmp_path, capsys, case):
    sets, kind, said = SETS[case]
    path = file(
        tmp_path,
        f"def stream(seed):\n    train, test = {sets}\n    return benchmark_from_datasets(train=train, test=test)\n",
    )
    code = run(path, tmp_path / "results")
    err = capsys.readouterr().err
    assert code == (2 if kind == "error" else 0)
    assert err.startswith(f"{kind}: " if kind else "") and said in err and err.count("\n") == bool(kind)
    code = main(["check-stream", path])
    out = capsys.readouterr().out
    assert code == (kind == "error") and said in out
    assert not kind or any(line.startswith(kind) and said in line for line in out.splitlines())


def test_task_labels_that_come_again_are_one_line(tmp_path, capsys):
    body = """
def stream(seed):
    def labelled(task, number):
        given = part(*data(number))
        return given.update_data_attribute("targets_task_labels", TaskLabels(ConstantSequence(task, len(given))))

    train, test = ([labelled(task, first + n) for n, task in enumerate((0, 1, 0))] for first in (0, 9))
    return with_task_labels(benchmark_from_datasets(train=train, test=test))
"""
    err = refused(capsys, run(file(tmp_path, body), tmp_path / "results"))
    assert "0 is repeated (tasks 1, 3); give each task a label of its own" in err


ONE_TEST_SET = """
def stream(seed):
    return ni_benchmark(part(*data(0, 90)), part(*data(1, 30)), 3, task_labels=False, seed=seed)
"""


def test_one_test_set_is_the_test_set_of_every_task(tmp_path, capsys):
    path = file(tmp_path, ONE_TEST_SET)
    assert run(path, tmp_path / "results", "--method", "ewc", "--method", "avalanche:Naive") == 0
    assert capsys.readouterr().err == ""
    for record in store.load_all(tmp_path / "results"):
        rows = [[value for value in row if value is not None] for row in record.accuracy_matrix]
        assert [len(row) for row in rows] == [1, 2, 3] and all(len(set(row)) == 1 for row in rows)
    stream = build(path, 0, 3)
    assert stream.test[0].base is stream.test[2].base and len(stream.test[0]) == 30
    assert main(["list", "--method", "naive", "--stream", path]) == 0
    assert "One test set for all tasks" in " ".join(capsys.readouterr().out.split())


def test_the_classes_of_one_test_set_make_no_scenario(tmp_path, capsys):
    """Experiences of classes of their own are class-incremental, though all are tested from the first task on."""
    body = """
def stream(seed):
    train = [part(data(task)[0], [2 * task, 2 * task + 1] * 20) for task in range(2)]
    return benchmark_from_datasets(train=train, test=[part(*data(9, 40, 4))])
"""
    path = file(tmp_path, body)
    assert main(["list", "--method", "naive", "--stream", path]) == 0
    assert "recognised as class-incremental" in " ".join(capsys.readouterr().out.split())
    assert run(path, tmp_path / "results") == 0 and capsys.readouterr().err == ""


UNEVEN = """
def stream(seed, more=1):
    parts = [part(*data(task, seed=seed)) for task in range(2 + more * seed)]
    tests = [part(*data(50 + task, seed=seed)) for task in range(2 + more * seed)]
    return benchmark_from_datasets(train=parts, test=tests)
"""


def test_seeds_with_unequal_numbers_of_tasks_are_refused(tmp_path, capsys):
    path = file(tmp_path, UNEVEN)
    err = refused(capsys, run(path, tmp_path / "results", "--seeds", "2"))
    assert "has 2 tasks with seed 0 and 3 with seed 1" in err and "--set tasks=2" in err
    assert main(["check-stream", path]) == 1
    assert "it has 2 tasks with seed 0 and 3 with seed 1" in capsys.readouterr().out
    assert run(path, tmp_path / "results", "--seeds", "2", "--set", "tasks=2") == 0
    assert run(path, tmp_path / "results", "--seeds", "2", "--set", "stream.more=0") == 0


def test_check_stream_says_what_depends_on_the_seed(tmp_path, capsys):
    tasks = "benchmark_from_datasets(train=[part(*data(0))], test=[part({}, data(1)[1])])"
    ignores = file(tmp_path, f"def stream():\n    return {tasks.format('data(1)[0]')}\n", "ignores.py")
    assert main(["check-stream", ignores]) == 0
    out = capsys.readouterr().out
    assert "warning seeds 0 and 1 give the same 1 tasks" in out and out.endswith("all hold, 1 warning\n")
    globally = file(tmp_path, f"def stream(seed):\n    return {tasks.format('torch.rand(40, 16)')}\n", "globally.py")
    assert main(["check-stream", globally]) == 0
    assert "warning it draws from the global random generators" in capsys.readouterr().out
    own = "torch.rand(40, 16, generator=CLOCK)"
    clock = f"CLOCK = torch.Generator()\n\n\ndef stream(seed):\n    return {tasks.format(own)}\n"
    assert main(["check-stream", file(tmp_path, clock, "clock.py")]) == 1
    assert "error   made again with seed 0, it has different images or labels" in capsys.readouterr().out


def test_check_stream_tells_every_error_of_a_clause(tmp_path, capsys):
    body = """
def stream(seed):
    train = [part(data(task)[0], LABELS["tenths"](data(task)[1])) for task in range(3)]
    return benchmark_from_datasets(train=train, test=[part(*data(9 + task)) for task in range(3)])
"""
    assert main(["check-stream", file(tmp_path, body)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "error", "error", "error", "3"]


def test_a_sound_stream_holds_all_clauses(faults, capsys):
    assert main(["check-stream", faults]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok ") for line in lines[:-1]) and lines[-1] == "all hold"


@pytest.mark.parametrize(
    "given, said",
    [
        (["split-digits"], "is not an external stream"),
        (["./no/such.py"], "cannot read"),
        (["avalanche:SplitMNST"], "did you mean"),
        (["FAULTS", "--set", "tasks=2"], "'tasks' is not an argument of the stream"),
        (["FAULTS", "--set", "stream.label=2"], "did you mean 'stream.labels'?"),
    ],
)
def test_check_stream_of_no_stream_is_one_line(faults, capsys, given, said):
    code = main(["check-stream", *(faults if word == "FAULTS" else word for word in given)])
    assert said in refused(capsys, code)


@pytest.mark.parametrize("leave", ["sys.exit(0)", "raise GeneratorExit", "raise SystemExit", "import os; os._exit(0)"])
def test_a_function_that_exits_is_one_line(tmp_path, capsys, leave):
    path = file(tmp_path, f"def stream(seed):\n    {leave}\n")
    assert "Exit" in refused(capsys, run(path, tmp_path / "results"))
    assert "Exit" in refused(capsys, main(["list", "--method", "naive", "--stream", path]))


def test_what_a_stream_changes_in_the_process_is_put_back(tmp_path):
    body = """
def stream(seed):
    parts = [part(*data(0))], [part(*data(1), given(lambda self, row: torch.set_default_dtype(torch.float64)
                                                    or (self.images[row], self.targets[row])))]
    torch.set_default_dtype(torch.float64)
    return benchmark_from_datasets(train=parts[0], test=parts[1])
"""
    assert build(file(tmp_path, body), 0, 1).train[0].base.dtype == torch.float32 == torch.get_default_dtype()


def test_what_a_stream_prints_stays_off_standard_output(tmp_path, capsys):
    made = "benchmark_from_datasets(train=[part(*data(0))], test=[part(*data(1))])"
    body = f"def stream(seed):\n    print('made')\n    return {made}\n"
    assert run(file(tmp_path, body), tmp_path / "results", "--json") == 0
    said = capsys.readouterr()
    assert "made" not in said.out and "made" in said.err
