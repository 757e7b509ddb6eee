"""The data of a phase and its order."""

import torch

from benchmark.streams.build import build
from benchmark.training.engine import Cell
from benchmark.training.phases import PhaseData
from methods.registry import METHODS
from methods.settings import settings_for

CPU = torch.device("cpu")


def test_own_order_is_the_order_of_the_data_sets_file_task_by_task():
    streams = [build("split-digits", seed, 3, train_examples=40) for seed in (0, 1)]
    data = PhaseData(streams, (0, 2), CPU)
    order = data.own_order()
    assert order.shape == (2, 80)
    for stream, row in zip(streams, order, strict=True):
        rows = torch.cat([stream.train[task].rows for task in (0, 2)])[row]
        assert torch.equal(rows[:40].sort().values, rows[:40]) and torch.equal(rows[40:].sort().values, rows[40:])
        assert sorted(row.tolist()) == list(range(80))


def test_without_shuffling_every_epoch_has_the_same_batches_in_the_files_order(monkeypatch):
    settings = settings_for("naive", "permuted-digits", {"tasks": 2, "epochs": 2, "shuffle": False})
    stream = build("permuted-digits", 3, 2)
    met = []
    direction = METHODS["naive"].direction
    monkeypatch.setattr(
        METHODS["naive"],
        "direction",
        lambda self, net, batch: met.append(batch.labels.clone()) or direction(self, net, batch),
    )
    with torch.no_grad():
        Cell(METHODS["naive"], [stream], settings, "cpu").train(lambda *_: None)
    labels = torch.cat(met, 1)[0].unflatten(0, (2, 2, -1))  # [tasks, epochs, N]
    expected = stream.train[0].targets[stream.train[0].rows.argsort()]
    assert torch.equal(labels[0, 0], expected) and torch.equal(labels[0, 1], expected)


def test_a_setting_with_a_default_is_recorded_only_where_it_has_another_value():
    plain, changed = (settings_for("naive", "permuted-digits", {"shuffle": value}) for value in (True, "false"))
    assert "shuffle" not in dict(plain) and dict(changed)["shuffle"] is False
    assert plain.everything()["shuffle"] is True
    assert dict(settings_for("naive", "permuted-digits", dict(changed))) == dict(changed)
