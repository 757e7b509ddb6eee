"""The suite's methods against Avalanche's own strategies, wherever their definitions agree.

Where they do not: Avalanche's A-GEM and replay fill their memories at random when a task ends, the published code
with the last examples of each class and with a reservoir fed at every step; Avalanche's EWC sums its Fisher over
the data once a task is over, the published code averages over the last steps of training. So the tests give
both sides the same memory and the same Fisher, and compare what they do with it.
"""

import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.training.plugins import AGEMPlugin, EWCPlugin, ReplayPlugin
from avalanche.training.storage_policy import ReservoirSamplingBuffer
from avalanche.training.supervised import Naive
from torch import nn
from torch.utils.data import TensorDataset

from benchmark.common.randomness import Randomness
from benchmark.streams.build import build
from benchmark.training.engine import Cell
from benchmark.training.phases import PhaseData, RecentData
from methods.registry import METHODS
from methods.settings import settings_for
from tests.oracles.plain import PlainMLP, in_a_row

TOLERANCE = 1e-5
"""Largest difference of any parameter after 40 steps in float32."""
QUICK = {"tasks": 2, "train_examples": 200, "hidden": 16, "learning_rate": 0.1, "batch_size": 10}


class Pair:
    """A method of the suite (one seed of two), and an ordinary module with its parameters for Avalanche."""

    def __init__(self, method: str, **overrides) -> None:
        settings = settings_for(method, "permuted-digits", QUICK | overrides)
        streams = [build("permuted-digits", seed, 2, 200) for seed in (7, 5)]
        self.cell = Cell(METHODS[method], streams, settings, "cpu")
        random = Randomness([5], torch.device("cpu"))
        self.module = nn.Sequential(nn.Flatten(), PlainMLP(64, settings, 10, random))

    def train(self, task: int) -> torch.Tensor:
        """Train the suite's method on a task; returns the order in which seed 5 met the examples."""
        part = PhaseData(self.cell.streams, (task,), torch.device("cpu"))
        self.cell.random.begin_phase()
        with torch.no_grad():
            order = self.cell._train_phase(task, part, lambda step: None)
            self.cell.method.after_phase(self.cell.net, RecentData(part, order))
        return order[1]

    def avalanche(self, task: int, order: torch.Tensor, *plugins):
        """Train the module through Avalanche on the same task in the same order."""
        images = self.cell.streams[1].train[task]
        data = tensors(torch.stack([images[i][0] for i in order]), images.targets[order])
        optimizer = torch.optim.SGD(self.module.parameters(), lr=0.1)
        strategy = Naive(
            model=self.module, optimizer=optimizer, train_mb_size=10, plugins=list(plugins), evaluator=None
        )
        strategy.train(benchmark_from_datasets(train=[data]).train_stream[0], shuffle=False, drop_last=False)

    def theta(self) -> torch.Tensor:
        """The module's parameters in the engine's layout."""
        return torch.cat([p.detach().t().flatten() if p.ndim == 2 else p.detach() for p in self.module.parameters()])

    def differ(self) -> float:
        """Largest difference between the two sides' parameters."""
        return (self.cell.net.theta[1] - in_a_row(self.theta())).abs().max().item()

    def memory(self):
        """The examples in seed 5's memory as a data set."""
        memory = self.cell.method.memory
        return tensors(memory.images[1, : memory.filled].view(-1, 1, 8, 8), memory.labels[1, : memory.filled])


def tensors(images, labels):
    data = TensorDataset(images, labels)
    data.targets = labels.tolist()
    return as_classification_dataset(data)


def test_naive_is_avalanches_naive():
    pair = Pair("naive")
    for task in (0, 1):
        pair.avalanche(task, pair.train(task))
    assert pair.differ() < TOLERANCE


def test_agem_is_avalanches_agem_with_the_same_memory():
    pair = Pair("agem", memory_per_class=3, memory_batch=30)
    pair.avalanche(0, pair.train(0))
    plugin = AGEMPlugin(patterns_per_experience=30, sample_size=30)
    plugin.update_memory(pair.memory())
    pair.avalanche(1, pair.train(1), plugin)
    assert pair.differ() < TOLERANCE
    assert not projected_never(pair)


def projected_never(pair) -> bool:
    """Whether plain SGD would have ended at the same place, so that the comparison would show nothing."""
    naive = Pair("naive")
    naive.train(0), naive.train(1)
    return torch.allclose(naive.cell.net.theta[1], pair.cell.net.theta[1], atol=1e-3)


def test_er_is_avalanches_replay_with_the_same_memory():
    pair = Pair("er-reservoir", memory_per_class=1, memory_batch=20)
    pair.train(0)
    layers = [view for layer in pair.cell.net.views(pair.cell.net.theta) for view in layer]
    for parameter, value in zip(pair.module.parameters(), layers):
        parameter.data = value[1].t().clone() if parameter.ndim == 2 else value[1, 0].clone()
    pair.cell.method.memory.offer = lambda batch: None  # Avalanche's memory stands still during a task
    storage = ReservoirSamplingBuffer(max_size=20)
    storage.buffer = pair.memory()
    plugin = ReplayPlugin(mem_size=20, batch_size=10, batch_size_mem=20, storage_policy=storage)
    pair.avalanche(1, pair.train(1), plugin)
    assert pair.differ() < TOLERANCE


def importances(plugin) -> torch.Tensor:
    """Avalanche's Fisher in the engine's layout, [P]."""
    values = [imp.data for imp in plugin.importances[0].values()]
    return in_a_row(torch.cat([v.t().flatten() if v.ndim == 2 else v for v in values]))


@pytest.mark.parametrize("mode", [{"mode": "separate"}, {"mode": "online", "decay_factor": 0.9}])
def test_ewc_is_avalanches_ewc_with_the_same_fisher(mode):
    pair = Pair("ewc", ewc_lambda=5.0)
    plugin = EWCPlugin(ewc_lambda=5.0, **mode)
    plugins = (plugin,)
    order = pair.train(0)
    optimizer = torch.optim.SGD(pair.module.parameters(), lr=0.1)
    strategy = Naive(model=pair.module, optimizer=optimizer, train_mb_size=10, plugins=list(plugins), evaluator=None)
    images = pair.cell.streams[1].train
    experiences = []
    state = pair.cell.random.state()
    second = Randomness([7, 5], torch.device("cpu"))
    second.restore(state)
    for task, rows in ((0, order), (1, second.order(200)[1])):
        stacked = torch.stack([images[task][i][0] for i in rows])
        experiences.append(tensors(stacked, images[task].targets[rows]))
    stream = benchmark_from_datasets(train=experiences).train_stream
    strategy.train(stream[0], shuffle=False)
    pair.cell.method.fisher = importances(plugin).expand(2, -1)
    strategy.train(stream[1], shuffle=False)
    pair.train(1)
    assert pair.differ() < TOLERANCE


def test_avalanches_fisher_squares_minibatch_gradients_which_is_not_the_fisher_of_examples():
    """The same sum from the suite's gradients: minibatches of 10 give Avalanche's numbers, single examples others."""
    pair = Pair("ewc")
    plugin = EWCPlugin(ewc_lambda=5.0)
    order = pair.train(0)
    pair.avalanche(0, order, plugin)
    part = PhaseData(pair.cell.streams, (0,), torch.device("cpu"))
    with torch.no_grad():
        rows = order.expand(2, -1)
        squares = {
            size: sum(
                pair.cell.net.gradient(part.take(rows[:, i : i + size])).dense()[1] ** 2 for i in range(0, 200, size)
            )
            / (200 / size)
            for size in (10, 1)
        }
    assert torch.allclose(squares[10], importances(plugin), atol=1e-7)
    assert squares[1].sum() > 2 * squares[10].sum()
