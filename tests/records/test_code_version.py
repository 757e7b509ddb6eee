"""What names the code of a run: what moves a method's version, what does not, and the versions declared equal."""

import ast
import importlib
import inspect
import sys
from types import ModuleType

import pytest
import torch

from benchmark.common import cuda_graphs
from benchmark.records.code_version import DESCRIPTIVE, EQUAL, RESULTS_VERSION, code_version, digest
from benchmark.streams.build import build
from benchmark.training.engine import Cell
from methods.registry import METHODS
from methods.settings import settings_for
from tests.training.test_device import LOSSY, SMALL, STREAMS, cifar, rerun  # noqa: F401  (cifar is a fixture)

RECORDED = {
    "naive": "1-3f4594d5c580",
    "ewc": "1-c7da635ecef3",
    "agem": "1-aaa1378a1bb0",
    "er-reservoir": "1-286fb7db9b96",
    "stable-sgd": "1-26a5620765d8",
    "multitask": "1-5ebbac96f8f4",
}
"""As the committed records name the code of each method."""
OF_MEMORY = ("agem", "er-reservoir")
SOURCE = """
class Mine(Method):
    id = "mine"
    title = "Mine"
    memoryless = True
    reference = "a paper"
    order = 7
    stream_settings = {"split-digits": {"epochs": (2, "a guess")}}
    scale = 2.0

    def direction(self, net, batch):
        return net.gradient(batch).dense() * self.scale
"""


def version(text: str) -> str:
    return digest([("Mine", text)])


def test_the_built_in_methods_have_the_versions_of_the_committed_records():
    assert {id: code_version(method) for id, method in METHODS.items()} == RECORDED


@pytest.mark.parametrize(
    "change",
    [
        ('    title = "Mine"\n', ""),
        ('"Mine"', '"Another title"'),
        ("    memoryless = True\n", ""),
        ("a paper", "another paper"),
        ("reference =", "reference: str ="),
        ("order = 7", "order = 8"),
        ('(2, "a guess")', '(3, "our search")'),
        ("    scale = 2.0\n", "    # a comment\n    scale = 2.0\n"),
    ],
)
def test_what_a_class_says_about_itself_does_not_count(change):
    assert version(SOURCE.replace(*change)) == version(SOURCE) != version(SOURCE.replace("2.0", "3.0"))


@pytest.mark.parametrize(
    ("change", "then"),
    [
        (("* self.scale", "* self.order"), ("order = 7", "order = 8")),
        (("* self.scale", "* len(type(self).title)"), ('"Mine"', '"My method"')),
        (("* self.scale", "* getattr(self, 'order')"), ("order = 7", "order = 8")),
        (("order = 7", "order = time()"), ("time()", "clock()")),
        (("class Mine", "class Other:\n    order = 1\n\n\nclass Mine"), ("order = 1", "order = 2")),
    ],
)
def test_it_counts_where_code_reads_it_or_it_is_no_literal(change, then):
    before = SOURCE.replace(*change)
    assert version(before) != version(before.replace(*then))


def test_the_kind_of_a_step_counts():
    own = SOURCE + "\n    def step_kind(self):\n        return ()\n"
    assert version(own) != version(SOURCE) and version(own) != version(own.replace("()\n", "(1,)\n"))


def without_step_kind(method) -> str:
    """The file of a method as it was before its class said the kind of its steps, and anything about itself."""
    tree = ast.parse(inspect.getsource(importlib.import_module(method.__module__)))
    (node,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    node.body = [
        each
        for each in node.body
        if getattr(each, "name", None) != "step_kind"
        and not (isinstance(each, ast.Assign) and each.targets[0].id in DESCRIPTIVE)
    ]
    return ast.unparse(tree)


def test_equal_versions_are_those_of_files_that_differ_in_the_kind_of_a_step_alone():
    now = {
        f"{RESULTS_VERSION}-{digest([(each.__name__, inspect.getsource(importlib.import_module(each.__module__)))])}": (
            f"{RESULTS_VERSION}-{digest([(each.__name__, without_step_kind(each))])}"
        )
        for each in METHODS.values()
        if "step_kind" in inspect.getsource(importlib.import_module(each.__module__))
    }
    assert now == EQUAL and set(EQUAL.values()) == set(RECORDED.values()) - {RECORDED["ewc"]}


def before(method) -> type:
    """The class of the file as it was before."""
    module = ModuleType("clbench_before")
    sys.modules[module.__name__] = module
    exec(compile(without_step_kind(method), "before.py", "exec"), vars(module))
    return getattr(module, method.__name__)


def trained(method, stream: str) -> Cell:
    few = {"train_examples": 15, "batch_size": 5, "epochs": 1} if stream == "split-cifar100" else {}
    settings = settings_for(method.id, stream, SMALL | LOSSY | few)
    seeds = 1 if few else 2
    cell = Cell(method, [build(stream, seed, 3, settings.train_examples) for seed in range(seeds)], settings, "cpu")
    with torch.no_grad():
        cell.train(lambda *progress: None)
    return cell


@pytest.mark.parametrize("method", [id for id in METHODS if id != "ewc"])
@pytest.mark.parametrize("stream", STREAMS)
def test_files_of_equal_versions_train_alike_bit_for_bit(cifar, monkeypatch, method, stream):  # noqa: F811
    """Also where steps are recorded and replayed, whose kinds a table said before."""
    kinds, steps = set(), cuda_graphs.steps

    def as_before(take, random, kind):
        own = kind.__self__

        def counted(batch):
            kinds.add((kind(), own.memory.filled if method in OF_MEMORY else ()))
            take(batch)

        return steps(counted, random, kind)

    old = trained(before(METHODS[method]), stream)
    monkeypatch.setattr(cuda_graphs, "steps", as_before)
    eager = trained(METHODS[method], stream)
    assert kinds and all(now == then for now, then in kinds)
    monkeypatch.setattr(cuda_graphs, "steps", steps)
    monkeypatch.setitem(cuda_graphs.RECORDERS, "cpu", rerun)
    replayed = trained(METHODS[method], stream)
    for new in (eager, replayed):
        assert torch.equal(new.net.theta, old.net.theta)
        assert [each.accuracy_matrix for each in new.outcomes] == [each.accuracy_matrix for each in old.outcomes]
