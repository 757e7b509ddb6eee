"""Streams: the items of Avalanche's classic streams, drawn by the seed alone, trainable by Avalanche."""

import dataclasses
import warnings

import avalanche.benchmarks.classic.ccifar100 as classic_cifar
import avalanche.benchmarks.classic.cmnist as classic_mnist
import numpy as np
import pytest
import torch
from avalanche.benchmarks.datasets.external_datasets.mnist import TensorMNIST
from avalanche.training import Naive
from torchvision import datasets
from torchvision.transforms import ToTensor

from benchmark.streams import build as streams
from benchmark.streams.build import build
from benchmark.streams.datasets import ImageData, load
from benchmark.streams.kinds import PAPER_STREAMS, STREAMS
from benchmark.streams.pixel_maps import angles
from methods.errors import InputError

DIGIT_STREAMS = ("permuted-digits", "rotated-digits", "split-digits")


class Images(TensorMNIST):
    """Avalanche's own MNIST reader over tensors at hand, of any size and scale."""

    def __init__(self, images, labels, scale):
        side = round(images.shape[1] ** 0.5)
        # the reader divides by 255
        self.data = images.reshape(-1, side, side).float() * (255.0 / scale)
        self.targets, self.transform, self.target_transform = labels, None, None


def _mnist_like() -> ImageData:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 784), dtype=torch.uint8, generator=generator)
    labels = torch.cat([torch.randperm(10, generator=generator) for _ in range(6)])
    return ImageData(images[:40], labels[:40], images[40:], labels[40:], 255.0, {})


def _first(data: ImageData, train: int, test: int) -> ImageData:
    return dataclasses.replace(
        data,
        train_images=data.train_images[:train],
        train_labels=data.train_labels[:train],
        test_images=data.test_images[:test],
        test_labels=data.test_labels[:test],
    )


def _use(monkeypatch, data: ImageData):
    """Let our streams and Avalanche's classic ones draw from the same images."""
    monkeypatch.setattr(streams, "load", lambda dataset, directory: data)
    parts = (
        Images(data.train_images, data.train_labels, data.scale),
        Images(data.test_images, data.test_labels, data.scale),
    )
    monkeypatch.setattr(classic_mnist, "get_mnist_dataset", lambda root: parts)


def _assert_same_items(ours, classic, tasks):
    for name in ("train", "test"):
        for task in tasks:
            mine = ours.benchmark.streams[name][task].dataset
            theirs = classic.streams[name][task].dataset
            assert len(mine) == len(theirs) > 0
            for index in range(0, len(mine), max(1, len(mine) // 20)):
                (image, label, experience), expected = mine[index], theirs[index]
                torch.testing.assert_close(image, expected[0], rtol=0, atol=1e-6)
                assert (label, experience) == (expected[1], expected[2])


def _permuted(seed, tasks):
    return classic_mnist.PermutedMNIST(tasks, seed=seed, train_transform=None, eval_transform=None)


def _rotated(seed, tasks):
    return classic_mnist.RotatedMNIST(
        tasks, rotations_list=angles(seed, tasks), train_transform=None, eval_transform=None
    )


def _split_mnist(seed, tasks):
    return classic_mnist.SplitMNIST(
        tasks,
        seed=seed,
        return_task_id=True,
        class_ids_from_zero_in_each_exp=True,
        train_transform=None,
        eval_transform=None,
    )


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("stream, classic", [("permuted-mnist", _permuted), ("rotated-mnist", _rotated)])
def test_items_and_their_order_are_the_classic_streams(monkeypatch, stream, classic, seed):
    _use(monkeypatch, _mnist_like())
    _assert_same_items(build(stream, seed, 20), classic(seed, 20), range(20))


@pytest.mark.parametrize(
    "stream, classic, tasks", [("rotated-digits", _rotated, 20), ("split-digits", _split_mnist, 5)]
)
def test_items_of_the_digit_streams_are_the_classic_streams(monkeypatch, stream, classic, tasks):
    _use(monkeypatch, _first(load("digits"), 200, 60))
    _assert_same_items(build(stream, 1, tasks), classic(1, tasks), range(tasks))


@pytest.mark.parametrize("stream, classic", [("permuted-mnist", _permuted), ("rotated-mnist", _rotated)])
def test_real_mnist_items_are_the_classic_streams(monkeypatch, real_data, stream, classic):
    _use(monkeypatch, _first(load("mnist", real_data), 400, 200))
    _assert_same_items(build(stream, 0, 4), classic(0, 4), range(4))


def test_real_cifar_items_are_the_classic_streams(monkeypatch, real_data):
    data = load("cifar100", real_data)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *given: True)  # a mirror's digests
    parts = [datasets.CIFAR100(real_data, train) for train in (True, False)]
    for part in parts:
        part.data, part.targets = part.data[:3000], part.targets[:3000]
    monkeypatch.setattr(streams, "load", lambda dataset, directory: _first(data, 3000, 3000))
    monkeypatch.setattr(classic_cifar, "get_cifar100_dataset", lambda root: parts)
    classic = classic_cifar.SplitCIFAR100(
        20,
        return_task_id=True,
        seed=2,
        class_ids_from_zero_in_each_exp=True,
        train_transform=ToTensor(),
        eval_transform=ToTensor(),
    )
    _assert_same_items(build("split-cifar100", 2, 20), classic, (0, 7, 19))


@pytest.mark.parametrize("stream", DIGIT_STREAMS)
def test_take_gives_the_items_of_the_experiences(stream):
    built = build(stream, 0, 3)
    for images, experience in zip(
        built.train + built.test, [*built.benchmark.train_stream, *built.benchmark.test_stream]
    ):
        rows = torch.tensor([5, 0, 5, len(images) - 1])
        taken = images.take(rows)
        assert taken.dtype == torch.uint8 and taken.shape == (4, *built.shape)
        for row, pixels in zip(rows.tolist(), taken):
            image, label, _ = experience.dataset[row]
            assert image.shape == (1, 8, 8) and image.dtype == torch.float32 and isinstance(label, int)
            torch.testing.assert_close(image.flatten(), pixels.float() / built.scale, rtol=0, atol=0)
            assert label == int(images.targets[row]) < built.classes


def test_what_is_taken_is_a_copy():
    images = build("split-digits", 0, 1).train[0]
    before = images.base.clone()
    images.take(torch.arange(10)).fill_(9)
    assert torch.equal(images.base, before)


def test_an_index_past_the_end_ends_an_iteration():
    images = build("split-digits", 0, 1).test[0]
    assert len(list(images)) == len(images)
    assert torch.equal(images[-1][0], images[len(images) - 1][0])


@pytest.mark.parametrize("stream", DIGIT_STREAMS)
def test_the_seed_alone_decides_the_stream(stream):
    everything = torch.arange(50)

    def pixels(seed):
        torch.manual_seed(seed + 17)
        return [images.take(everything[: len(images)]) for images in build(stream, seed, 4, 50).train]

    first, again, other = pixels(0), pixels(0), pixels(1)
    assert all(torch.equal(one, two) for one, two in zip(first, again))
    assert not any(torch.equal(one, two) for one, two in zip(first, other))


def test_pixel_maps_differ_between_seeds_and_between_tasks():
    maps = [images.pixel_map for seed in (0, 1) for images in build("permuted-digits", seed, 3).train]
    assert len({tuple(pixel_map.tolist()) for pixel_map in maps}) == 6


@pytest.mark.parametrize("stream", DIGIT_STREAMS)
def test_a_shorter_stream_is_the_start_of_a_longer_one(stream):
    short, long = build(stream, 3, 2, 40), build(stream, 3, 5, 40)
    for one, two in zip(short.train + short.test, long.train[:2] + long.test[:2]):
        assert torch.equal(one.rows, two.rows) and torch.equal(one.targets, two.targets)
        assert (one.pixel_map is None) == (two.pixel_map is None)
        assert one.pixel_map is None or torch.equal(one.pixel_map, two.pixel_map)


@pytest.mark.parametrize("stream", DIGIT_STREAMS)
def test_building_leaves_the_global_generators_alone(stream):
    torch.manual_seed(5)
    np.random.seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    build(stream, 0, 3, 20).train[1].take(torch.arange(20))
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])


@pytest.mark.parametrize("stream", DIGIT_STREAMS)
def test_train_examples_draws_that_many_training_examples_and_whole_test_sets(stream):
    whole, part = build(stream, 0, 3), build(stream, 0, 3, 30)
    for all_, some in zip(whole.train, part.train):
        assert len(some) == 30 == len(set(some.rows.tolist()))
        label_of = dict(zip(all_.rows.tolist(), all_.targets.tolist()))
        assert [label_of[row] for row in some.rows.tolist()] == some.targets.tolist()
    assert [len(images) for images in part.test] == [len(images) for images in whole.test]
    assert len({tuple(images.rows.tolist()) for images in part.train}) == 3


@pytest.mark.parametrize("stream", DIGIT_STREAMS)
def test_every_example_of_a_task_comes_from_its_own_part_of_the_data(stream):
    built, data = build(stream, 0, STREAMS[stream].tasks), load("digits")
    assert all(images.base is data.train_images for images in built.train)
    assert all(images.base is data.test_images for images in built.test)


def test_split_tasks_share_no_class_and_together_have_every_example():
    built, data = build("split-digits", 4, 5), load("digits")
    originals = [set(data.train_labels[images.rows].tolist()) for images in built.train]
    assert sorted(label for labels in originals for label in labels) == list(range(10))
    rows = torch.cat([images.rows for images in built.train])
    assert torch.equal(rows.sort().values, torch.arange(len(data.train_labels)))
    for train, test, labels in zip(built.train, built.test, originals):
        assert set(train.targets.tolist()) == set(test.targets.tolist()) == {0, 1}
        assert set(data.test_labels[test.rows].tolist()) == labels


@pytest.mark.parametrize(
    "stream, heads, labels",
    [("permuted-digits", 1, [0, 0, 0]), ("rotated-digits", 1, [0, 0, 0]), ("split-digits", 3, [0, 1, 2])],
)
def test_task_labels_tell_the_heads_apart(stream, heads, labels):
    built = build(stream, 0, 3)
    assert built.heads == heads and built.classes == (2 if heads == 3 else 10) and built.shape == (64,)
    for experiences in (built.benchmark.train_stream, built.benchmark.test_stream):
        assert [experience.task_label for experience in experiences] == labels


@pytest.mark.parametrize(
    "stream, seed, tasks, examples, part",
    [
        ("permuted-digit", 0, 1, 0, "permuted-digits"),
        ("split-cifar100", 0, 21, 0, "1 to 20"),
        ("split-digits", 0, 6, 0, "1 to 5"),
        ("rotated-digits", 0, 37, 0, "1 to 36"),
        ("permuted-digits", 0, 0, 0, "1 to 1000"),
        ("permuted-digits", -1, 1, 0, "seed -1"),
        ("permuted-digits", 2**32, 1, 0, "seed"),
        ("split-digits", 0, 5, 1000, "train_examples=1000"),
        ("split-digits", 0, 5, -1, "train_examples=-1"),
    ],
)
def test_impossible_streams_are_one_clear_line(stream, seed, tasks, examples, part):
    with pytest.raises(InputError) as caught:
        build(stream, seed, tasks, examples)
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_the_papers_streams_are_the_three_of_table_2():
    assert PAPER_STREAMS == ("permuted-mnist", "rotated-mnist", "split-cifar100")


def test_avalanches_own_strategy_trains_on_the_stream():
    stream = build("permuted-digits", 0, 1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        naive = Naive(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), 0.5),
            train_mb_size=32,
            train_epochs=3,
            eval_mb_size=256,
            evaluator=None,
        )
        naive.train(stream.benchmark.train_stream[0], num_workers=0)
    images = stream.test[0]
    with torch.no_grad():
        outputs = model(images.take(torch.arange(len(images))).float() / stream.scale)
    assert (outputs.argmax(1) == images.targets).float().mean() > 0.8
