"""Avalanche's strategies act, and are measured as the library measures them."""

import inspect
from collections.abc import Iterable
from itertools import islice

import avalanche.training.supervised as supervised
import numpy as np
import pytest
import torch
from avalanche.training.plugins import BiCPlugin, MIRPlugin, SupervisedPlugin, SynapticIntelligencePlugin
from avalanche.training.supervised.icarl import _ICaRLPlugin
from avalanche.training.templates.base import BaseTemplate

from benchmark.common.files import inserted
from benchmark.runs.plan import plan
from benchmark.streams.build import Stream, build
from benchmark.training import engine
from benchmark.training.avalanche import patches, run, table
from benchmark.training.avalanche.fit import kind_of
from benchmark.training.avalanche.requirements import CLASS, DOMAIN, EVERY, REQUIREMENTS, TASK, accepted
from benchmark.training.avalanche.strategies import strategy_named
from benchmark.training.external import settings_of
from methods.errors import InputError
from methods.registry import METHODS
from methods.settings import settings_for
from tests.support.strategies import SMALL, Trained, tiny_streams
from tests.support.writers import ROOT


@pytest.fixture(scope="module")
def streams(tmp_path_factory) -> dict[str, Stream]:
    return tiny_streams(tmp_path_factory.mktemp("streams"))


@pytest.fixture(scope="module")
def naive(streams) -> dict[str, torch.Tensor]:
    """The parameters that Naive ends with on a stream of each kind."""
    return {kind: Trained("Naive", streams[kind]).parameters for kind in EVERY}


CELLS = [(name, kind) for name in accepted() for kind in REQUIREMENTS[name].works_on]


@pytest.mark.parametrize("name, kind", CELLS)
def test_an_accepted_strategy_acts_and_is_measured_as_the_library_measures_it(name, kind, streams, naive):
    if name == "GEM":
        pytest.importorskip("quadprog")
    few = {"batch_size": 5} if name == "ER_AML" else {}
    trained = Trained(name, streams[kind], **few)
    matrix, rows = trained.outcome.accuracy_matrix, 1 if name == "JointTraining" else 2
    assert trained.outcome.status == "complete" and trained.metric()
    for task, values in trained.metric().items():
        assert np.allclose([row[task] for row in matrix[-rows:] if row[task] is not None], values, atol=1e-9)
    one, two = trained.parameters, naive[kind]
    assert (one.shape == two.shape and torch.equal(one, two)) == (name == "Naive")


def test_the_streams_are_of_their_kinds(streams):
    assert [kind_of(streams[kind]) for kind in EVERY] == [*EVERY]


def test_every_strategy_of_the_library_is_told_of():
    classes = {name for name, one in vars(supervised).items() if inspect.isclass(one) and issubclass(one, BaseTemplate)}
    assert set(REQUIREMENTS) == classes | {"OnlineNaive"}
    assert all(hasattr(supervised, name) for name in REQUIREMENTS)


@pytest.mark.parametrize("name", accepted())
def test_an_accepted_strategy_runs_as_typed(name):
    settings_of(f"avalanche:{name}", "permuted-digits")


def test_si_has_importances_and_the_librarys_own_has_none(streams, naive, monkeypatch):
    ours = Trained("SynapticIntelligence", streams[DOMAIN], si_lambda=1000)
    importances = ours.plugin(SynapticIntelligencePlugin).ewc_data[1]
    assert all(float(one.data.max()) > 0 for one in importances.values())
    monkeypatch.setattr(patches, "PATCHES", {})
    bare = Trained("SynapticIntelligence", streams[DOMAIN], si_lambda=1000)
    assert not any(one.data.any() for one in bare.plugin(SynapticIntelligencePlugin).ewc_data[1].values())
    assert torch.equal(bare.parameters, naive[DOMAIN])  # once the library is right the patch can go


def test_si_importances_are_the_path_integral_of_its_paper(monkeypatch):
    points, gradients = [], []

    def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
        return torch.cat([one.detach().flatten() for one in tensors]).clone()

    def began(watch: run.Watch, strategy: BaseTemplate, **_: object) -> None:
        points.append(flat(strategy.model.parameters()))
        begin(watch, strategy)

    def stepped(watch: run.Watch, strategy: BaseTemplate, **_: object) -> None:
        points.append(flat(strategy.model.parameters()))
        gradients.append(flat(one.grad for one in strategy.model.parameters()))
        step(watch, strategy)

    begin, step = run.Watch.before_training_exp, run.Watch.after_training_iteration
    monkeypatch.setattr(run.Watch, "before_training_exp", began)
    monkeypatch.setattr(run.Watch, "after_training_iteration", stepped)
    trained = Trained("SI", build("permuted-digits", 0, 1, 60), eps=0.1)
    path = sum(-gradient * (after - before) for gradient, before, after in zip(gradients, points, points[1:]))
    omega = path / ((points[-1] - points[0]) ** 2 + 0.1)  # Zenke et al. (2017), equation 5
    found = flat(one.data for one in trained.plugin(SynapticIntelligencePlugin).ewc_data[1].values())
    assert torch.allclose(found, omega.clamp(max=0.001), atol=1e-7) and found.max() > 1e-5


class Inverted(SupervisedPlugin):
    """Predicts the least likely class, once the loss of a batch is known: as CoPE makes predictions of embeddings."""

    def after_eval_iteration(self, strategy: BaseTemplate, **_: object) -> None:
        strategy.mb_output = -strategy.mb_output


def test_accuracy_is_counted_after_the_strategys_own_plugins(streams, monkeypatch):
    make = run.Run.strategy

    def made(one: run.Run) -> BaseTemplate:
        strategy = make(one)
        strategy.plugins.insert(strategy.plugins.index(strategy.evaluator), Inverted())
        return strategy

    plain = Trained("Naive", streams[CLASS]).outcome.accuracy_matrix
    monkeypatch.setattr(run.Run, "strategy", made)
    inverted = Trained("Naive", streams[CLASS])
    assert inverted.outcome.accuracy_matrix[0][0] < 0.5 < plain[0][0]
    assert np.allclose([row[0] for row in inverted.outcome.accuracy_matrix], inverted.metric()[0], atol=1e-9)


def test_mir_replays_what_it_remembers_and_the_librarys_own_nothing(streams, naive, monkeypatch):
    plugin = Trained("MIR", streams[CLASS]).plugin(MIRPlugin)
    assert {int(label) for _, labels, _ in islice(plugin.replay_loader, 9) for label in labels} == {0, 1, 2, 3}
    monkeypatch.setattr(patches, "PATCHES", {})
    for kind in (TASK, CLASS):
        assert torch.equal(Trained("MIR", streams[kind]).parameters, naive[kind])


def test_bic_learns_a_bias_and_the_librarys_own_fails(streams, monkeypatch):
    plugin = Trained("BiC", streams[CLASS], stage_2_epochs=20).plugin(BiCPlugin)
    assert sum(len(one.buffer) for one in plugin.val_buffer.values()) == 6  # val_percentage of mem_size
    assert float(plugin.bias_layer.beta.detach()) != 0
    assert len(streams[CLASS].train[0]) == 60  # the stream keeps what the strategy holds out
    monkeypatch.setattr(patches, "PATCHES", {})
    with pytest.raises(InputError, match="dataset"):
        Trained("BiC", streams[CLASS])


def test_icarl_keeps_examples_of_all_classes(streams):
    plugin = Trained("ICaRL", streams[CLASS], memory_size=20).plugin(_ICaRLPlugin)
    assert [set(labels) for labels in plugin.y_memory] == [{0}, {1}, {2}, {3}]
    assert [len(images) for images in plugin.x_memory] == [5] * 4


def test_gdumb_trains_the_network_that_it_made_anew(streams):
    trained = Trained("GDumb", streams[CLASS])
    held = [one for group in trained.strategy.optimizer.param_groups for one in group["params"]]
    assert [id(one) for one in held] == [id(one) for one in trained.strategy.model.parameters()]
    assert Trained("GDumb", streams[CLASS], epochs=20).outcome.accuracy_matrix[1][0] > 0.7  # Naive forgets the task


def test_narrow_and_wide_heads_train_as_the_suites_own(streams):
    changes = SMALL | {"tasks": 2, "hidden": 64, "epochs": 8}
    mine = engine.train(METHODS["naive"], [streams["uneven"]], settings_for("naive", "x", changes), "cpu", print)[0]
    theirs = Trained("Naive", streams["uneven"], hidden=64, epochs=8).outcome
    both = [np.array(one.accuracy_matrix, float) for one in (mine, theirs)]
    assert np.allclose(*both, atol=0.02, equal_nan=True) and both[0][1, 1] > 0.8


def test_the_digest_of_the_code_holds_loop_and_patches():
    classes = strategy_named("avalanche:Naive").__mro__
    assert {run.__name__, patches.__name__} <= {inspect.getmodule(one).__name__ for one in classes}


def test_each_seed_is_a_unit_of_its_own(tmp_path):
    changes = {"tasks": 2, "train_examples": 30}
    units = plan(["avalanche:Naive", "naive"], ["permuted-digits"], [0, 1, 2], changes, tmp_path, None, "cpu")
    assert sorted(unit.seeds for unit in units if unit.method != "naive") == [(0,), (1,), (2,)]
    assert [unit.seeds for unit in units if unit.method == "naive"] == [(0, 1, 2)]


def test_the_document_holds_the_table():
    assert inserted(ROOT / "docs" / "avalanche.md", table.MARK) == f"\n{table.table()}\n\n"
