"""Estimates of time and memory, from records and tensors written out by hand."""

from types import SimpleNamespace

import pytest
import torch

from benchmark.records.schema import Record
from benchmark.runs.estimate import (
    COPIES,
    LIBRARIES,
    PER_EXAMPLE,
    TRAIN_EXAMPLES,
    WORKING,
    Wanted,
    full_task,
    makespan,
    memory_of,
    steps,
    time_of,
)
from benchmark.streams.build import build
from benchmark.streams.kinds import STREAMS
from methods.settings import settings_for
from tests.support import literal

MATRIX = [[0.5, None], [0.5, 0.75]]
HERE, THERE = "a processor", "a far processor"


def run(method: str, seconds: float, processor: str = HERE, threads: int = 1, seed: int = 0, **settings) -> Record:
    made = literal.record(method, "permuted-digits", seed, MATRIX, tasks=2, **settings)
    origin = made.provenance.model_copy(update={"processor": processor, "threads": threads})
    return made.model_copy(update={"seconds": seconds, "provenance": origin})


def wanted(method: str, **settings) -> Wanted:
    values = dict(settings_for(method, "permuted-digits", {"tasks": 2} | settings))
    return Wanted(method, "permuted-digits", values, 1442, "cpu", HERE, 1)


def told(method: str, records: list[Record], **settings) -> tuple[float, str]:
    time = time_of(wanted(method, **settings), records)
    return pytest.approx(time.seconds), time.basis


def test_steps_are_tasks_times_epochs_times_examples_over_the_batch():
    values = {"tasks": 3, "epochs": 2, "batch_size": 10, "train_examples": 0}
    assert steps(values, 500) == 3 * 2 * 50
    assert steps(values | {"train_examples": 40}, 500) == 3 * 2 * 4
    assert steps(values | {"batch_size": 1000}, 500) == 3 * 2  # one step a task and epoch at least
    assert steps(values, None) is None


def test_runs_with_the_same_settings_are_the_estimate():
    records = [run("ewc", seconds, seed=seed) for seed, seconds in enumerate((3.0, 4.0, 9.0))]
    assert told("ewc", records) == (4.0, "from 3 recorded runs of ewc on permuted-digits on this processor")
    assert told("ewc", records, learning_rate=0.5, ewc_lambda=3) == told("ewc", records)  # they cost no time


def test_other_numbers_of_steps_scale_it():
    scaled = "from 1 recorded run of ewc on permuted-digits on this processor, scaled by the number of steps"
    assert told("ewc", [run("ewc", 3.0)], epochs=2) == (6.0, scaled)
    assert told("ewc", [run("ewc", 3.0)], tasks=5) == (7.5, scaled)
    assert told("ewc", [run("ewc", 3.0)], train_examples=721) == (1.5, scaled)
    batch = f"{scaled}; batch_size differs, which the estimate ignores"
    assert told("ewc", [run("ewc", 3.0)], batch_size=20) == (1.5, batch)
    hidden = "from 1 recorded run of ewc on permuted-digits on this processor; dropout and hidden differ, "
    assert told("ewc", [run("ewc", 3.0)], hidden=100, dropout=0.5) == (3.0, f"{hidden}which the estimate ignores")


def test_the_most_similar_runs_are_taken():
    near, far = run("ewc", 3.0, epochs=2, hidden=100), run("ewc", 100.0, hidden=200, dropout=0.5, momentum=0.5)
    assert told("ewc", [far, near], hidden=100)[0] == 1.5
    assert told("ewc", [run("ewc", 9.0, threads=2), run("ewc", 3.0)])[0] == 3.0


def test_the_same_method_and_this_processor_come_first():
    own, other = run("ewc", 1.0), run("naive", 2.0)
    own_there, other_there = run("ewc", 3.0, THERE), run("naive", 4.0, THERE)
    everything = [other_there, own_there, other, own]
    on = "from 1 recorded run of {} on permuted-digits on {} processor"
    assert told("ewc", everything) == (1.0, on.format("ewc", "this"))
    assert told("ewc", everything[:3]) == (2.0, on.format("other methods", "this"))
    assert told("ewc", everything[:2]) == (3.0, on.format("ewc", "another"))
    assert told("ewc", everything[:1]) == (4.0, on.format("other methods", "another"))


def test_what_tells_nothing_is_not_used():
    diverged = literal.record("ewc", "permuted-digits", 0, [[0.5, None]], {"task": 1, "step": 7}, tasks=2)
    elsewhere = literal.record("ewc", "rotated-digits", 0, MATRIX, tasks=2)
    on_gpu = run("ewc", 1.0)
    on_gpu = on_gpu.model_copy(update={"provenance": on_gpu.provenance.model_copy(update={"device": "cuda"})})
    other_network = run("ewc", 1.0)
    other_network = other_network.model_copy(update={"settings": other_network.settings | {"network": "other"}})
    assert time_of(wanted("ewc"), [diverged, elsewhere, on_gpu, other_network]) is None


def test_a_whole_task_is_as_large_as_the_stream_makes_it():
    assert full_task(STREAMS["permuted-mnist"]) == 60_000 and full_task(STREAMS["split-cifar100"]) == 2_500
    for name in ("permuted-digits", "split-digits"):
        lengths = [len(task) for task in build(name, 0, 5).train]
        assert full_task(STREAMS[name]) == pytest.approx(sum(lengths) / 5)
    assert TRAIN_EXAMPLES["digits"] == len(build("permuted-digits", 0, 1).train[0])


def test_the_last_unit_ends_when_the_free_processes_have_taken_the_longest_first():
    assert makespan([4.0, 3.0, 2.0, 1.0], 1) == 10
    assert makespan([1.0, 2.0, 3.0, 4.0], 2) == 5
    assert makespan([9.0, 1.0, 1.0], 2) == 9
    assert makespan([2.0], 4) == 2 and makespan([], 2) == 0


@pytest.mark.parametrize(("shared", "images"), [(True, 1), (False, 3)])
def test_memory_adds_up_from_the_sizes_of_tensors(shared, images):
    base = torch.zeros(100, 64, dtype=torch.uint8)
    part = SimpleNamespace(base=base, rows=torch.zeros(50, dtype=torch.int64), targets=torch.zeros(50))
    stream = SimpleNamespace(train=[part, part], test=[part])
    memory = memory_of(stream, seeds=3, theta=1000, state=70, shared=shared)
    assert memory.data == images * 6400 + PER_EXAMPLE * 3 * 3 * (50 * 8 + 50 * 4)
    assert memory.training == 3 * (COPIES * 1000 + 70) + WORKING
    assert memory.total == LIBRARIES + memory.data + memory.training
