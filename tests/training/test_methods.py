"""Each method's mathematics, apart from the engine."""

import pytest
import torch

from benchmark.common.randomness import Randomness
from benchmark.networks.gradients import Dense
from benchmark.training.optimizers import Step
from methods.batch import Batch
from methods.memory import EpisodicMemory
from methods.method import Penalty, Problem
from methods.registry import METHODS
from methods.settings import settings_for

SEEDS = 3


def problem(seeds=SEEDS, classes=4, tasks=5):
    return Problem(
        seeds, tasks, classes, (2,), torch.device("cpu"), Randomness(list(range(seeds)), torch.device("cpu"))
    )


class Slope:
    """A 'network' whose gradient is whatever the batch's images say: [S, B, P] averaged over B."""

    def __init__(self, theta):
        self.theta = theta

    def gradient(self, batch):
        return Dense(batch.images.mean(1))


def batch(images, steps_left=0):
    labels = torch.zeros(images.shape[:2], dtype=torch.int64)
    return Batch(images, labels, labels, 0, steps_left)


def make(method, **overrides):
    return METHODS[method](settings_for(method, "permuted-digits", overrides), problem())


def test_agem_projects_only_seeds_in_conflict_and_never_steps_against_the_memory():
    agem = make("agem", memory_batch=1)
    memory = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]])
    agem.memory.offer(batch(memory))
    gradient = torch.tensor([[[-1.0, 2.0]], [[1.0, 2.0]], [[-3.0, 1.0]]])
    direction = agem.direction(Slope(torch.zeros(SEEDS, 2)), batch(gradient)).dense()
    assert torch.equal(direction[:2], torch.tensor([[0.0, 2.0], [1.0, 2.0]]))
    assert torch.allclose(direction[2], torch.tensor([-2.0, 2.0]))
    assert (direction * memory[:, 0]).sum(1).min() > -1e-6


def test_agem_is_plain_sgd_while_its_memory_is_empty():
    images = torch.tensor([[[-1.0, 2.0]]] * SEEDS)
    assert torch.equal(make("agem").direction(Slope(None), batch(images)).dense(), images[:, 0])


def test_ewc_fisher_is_the_weighted_mean_of_squared_gradients_rescaled():
    ewc = make("ewc", fisher_window=2)
    steps = torch.tensor([[9.0, 9.0, 9.0], [1.0, 2.0, 0.0], [2.0, 0.0, 1.0], [3.0, 1.0, 0.0]])
    net = Slope(torch.tensor([[5.0, 6.0, 7.0]] * SEEDS))
    for left, numbers in zip((3, 2, 1, 0), steps):
        ewc.direction(net, batch(numbers.expand(SEEDS, 1, 3), left))
    ewc.after_phase(net, None)
    raw = 0.9 * 0.1 * (steps[0] ** 2 + steps[1] ** 2) / 2 + 0.9 * (steps[2] ** 2 + steps[3] ** 2) / 2
    assert torch.allclose(ewc.fisher[1], (raw - raw.min()) / (raw.max() - raw.min()))
    assert torch.equal(ewc.anchor, net.theta) and ewc.anchor is not net.theta


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_step_on_a_penalty_equals_autograd_of_it(momentum):
    generator = torch.Generator().manual_seed(0)
    theta, anchor, strength, g = (torch.rand(SEEDS, 6, generator=generator) for _ in range(4))
    start = theta.clone()
    step = Step(theta, 0.05, momentum, Penalty(strength, anchor))
    velocity = 0
    for _ in range(3):
        flat = start.clone().requires_grad_()
        slope = torch.autograd.grad((strength * (flat - anchor) ** 2).sum(), flat)[0]
        velocity = momentum * velocity + g + slope
        start = start - 0.05 * velocity
        step(Dense(g))
    assert torch.allclose(theta, start, atol=1e-6)


def test_a_step_takes_dense_directions_too():
    theta = torch.ones(2, 3)
    Step(theta, 0.5, 0.0, None)(torch.full((2, 3), 2.0))
    assert torch.equal(theta, torch.zeros(2, 3))


def test_stable_sgd_decays_from_the_first_task_down_to_a_floor():
    stable = make("stable-sgd", learning_rate=0.1, learning_rate_decay=0.5)
    assert [stable.learning_rate(phase) for phase in (0, 1, 30)] == pytest.approx([0.05, 0.025, 5e-5])
    assert make("naive", learning_rate=1e-6).learning_rate(0) == 1e-6


def test_multitask_has_one_phase_and_the_others_one_a_task():
    for method in METHODS.values():
        expected = [(0, 1, 2)] if method.id == "multitask" else [(0,), (1,), (2,)]
        assert method.phases(3) == expected


def numbered(start, count, seeds):
    numbers = torch.arange(start, start + count, dtype=torch.float32)
    return batch(numbers[None, :, None].expand(seeds, count, 2).contiguous())


def test_reservoir_holds_every_example_with_the_same_probability():
    """2000 'seeds' offer 40 examples in uneven batches to 10 places: each is held with probability 1/4."""
    seeds = 2000
    memory = EpisodicMemory(10, problem(seeds))
    for start, count in ((0, 3), (3, 12), (15, 1), (16, 24)):
        memory.offer(numbered(start, count, seeds))
    held = memory.images[:, :10, 0].long()
    assert all(len(set(row.tolist())) == 10 for row in held)
    kept = torch.bincount(held.flatten(), minlength=40) / seeds
    deviation = (0.25 * 0.75 / seeds) ** 0.5
    assert (kept - 0.25).abs().max() < 4 * deviation
    assert (kept[:20].mean() - kept[20:].mean()).abs() < 4 * deviation / 20**0.5


def test_a_memory_sample_has_no_example_twice_and_reaches_all():
    memory = EpisodicMemory(8, problem())
    memory.offer(numbered(0, 5, SEEDS))
    assert sorted(memory.sample(9).images[0, :, 0].tolist()) == [0, 1, 2, 3, 4]
    drawn = [memory.sample(2).images[1, :, 0].tolist() for _ in range(200)]
    assert all(a != b for a, b in drawn) and {x for pair in drawn for x in pair} == {0, 1, 2, 3, 4}


class Order:
    """A finished phase given by its labels alone; an example's image is its position."""

    def __init__(self, labels):
        self.labels = labels

    def take(self, positions):
        return Batch(positions[..., None].expand(-1, -1, 2).float(), self.labels.gather(1, positions), positions * 0)


def test_the_ring_buffer_keeps_the_last_of_each_class_task_after_task():
    memory = EpisodicMemory(12, problem(seeds=2, classes=2))
    memory.keep_last(Order(torch.tensor([[0, 1, 0, 0, 1, 0], [1, 1, 0, 1, 0, 1]])), per_class=2)
    assert sorted(memory.images[0, :4, 0].tolist()) == [1, 3, 4, 5]
    assert sorted(memory.images[1, :4, 0].tolist()) == [2, 3, 4, 5]
    memory.keep_last(Order(torch.tensor([[1, 1, 0, 0]] * 2)), per_class=2)
    assert memory.filled == 8 and sorted(memory.images[0, 4:8, 0].tolist()) == [0, 1, 2, 3]


def test_a_memory_of_no_room_changes_nothing():
    er = make("er-reservoir", memory_per_class=0)
    images = torch.rand(SEEDS, 4, 2)
    for _ in range(3):
        assert torch.equal(er.direction(Slope(None), batch(images)).dense(), images.mean(1))


@pytest.mark.parametrize("method", ["agem", "er-reservoir", "ewc"])
def test_state_comes_back(method):
    one, two = make(method), make(method)
    net = Slope(torch.rand(SEEDS, 2))
    one.direction(net, batch(torch.rand(SEEDS, 4, 2)))
    one.after_phase(net, Order(torch.tensor([[0, 1, 2, 3]] * SEEDS)))
    two.restore(one.state())
    assert one.state().keys() == two.state().keys() != set()
    assert all(torch.equal(value, two.state()[name]) for name, value in one.state().items())


def test_the_kind_of_a_step_is_that_of_the_class_itself():
    """A subclass may do other things in its steps, so that recording them is for it to allow."""

    class Other(METHODS["naive"]):
        def direction(self, net, batch):
            return super().direction(net, batch)

    settings = settings_for("naive", "permuted-digits")
    assert METHODS["naive"](settings, problem()).step_kind() == () and Other(settings, problem()).step_kind() is None
    agem = make("agem", memory_batch=1)
    kinds = [agem.step_kind()]
    agem.memory.offer(batch(torch.zeros(SEEDS, 2, 2)))
    assert [*kinds, agem.step_kind(), make("ewc").step_kind()] == [0, 2, None]
