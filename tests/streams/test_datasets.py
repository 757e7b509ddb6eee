"""Data sets: digests, missing and damaged files, downloads that fail, and a split that leaks nothing."""

import dataclasses
import hashlib
import pickle
import shutil
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from benchmark.streams import archives, datasets
from benchmark.streams.datasets import describe, load
from methods.errors import InputError
from tests.support.process import python

MNIST = archives.ARCHIVES["mnist"]
CIFAR = archives.ARCHIVES["cifar100"]


def _no_network(root: str):
    raise URLError("Name or service not known\nsecond line")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty working and home directory, no BENCHMARK_DATA, and downloads that fail."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(archives.VARIABLE, raising=False)
    _set_download(monkeypatch, _no_network)
    return tmp_path


def _set_download(monkeypatch, download):
    for archive in (MNIST, CIFAR):
        changed = dataclasses.replace(archive, download=download)
        monkeypatch.setitem(archives.ARCHIVES, archive.id, changed)


def _fill(root: Path, archive, content: bytes = b"not the data"):
    folder = root / archive.folder
    folder.mkdir(parents=True)
    for name in archive.files:
        (folder / name).write_bytes(content)


def _error(dataset: str, directory: Path | None) -> str:
    with pytest.raises(InputError) as caught:
        load(dataset, directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_digits_are_scikit_learns_and_split_by_class():
    digits = load("digits")
    assert digits.train_images.dtype == digits.test_images.dtype == torch.uint8
    assert digits.train_images.shape[1:] == (64,) and int(digits.train_images.max()) == digits.scale == 16
    assert len(digits.train_labels) + len(digits.test_labels) == 1797
    shares = digits.test_labels.bincount() / (digits.test_labels.bincount() + digits.train_labels.bincount())
    assert torch.all((shares - 0.2).abs() < 0.01)


def test_no_test_digit_is_a_training_digit():
    digits = load("digits")
    seen = {row.numpy().tobytes() for row in digits.train_images}
    assert not any(row.numpy().tobytes() in seen for row in digits.test_images)


def test_other_digits_are_refused(monkeypatch):
    images, labels = datasets.load_digits(return_X_y=True)
    images[0, 10] += 1
    monkeypatch.setattr(datasets, "load_digits", lambda return_X_y: (images, labels))
    with pytest.raises(InputError, match="sha256"):
        datasets._digits.__wrapped__()


@pytest.mark.parametrize("dataset", ["mnist", "cifar100"])
def test_missing_data_name_the_places_and_the_settings(offline, dataset):
    named = offline / "named"
    named.mkdir()
    message = _error(dataset, named)
    for part in (str(named), ".avalanche", "--data", "BENCHMARK_DATA", "Name or service not known"):
        assert part in message
    assert list(named.iterdir()) == []


def test_the_environment_names_the_directory_unless_an_argument_does(offline, monkeypatch):
    monkeypatch.setenv("BENCHMARK_DATA", str(offline / "nowhere"))
    assert "BENCHMARK_DATA names" in _error("mnist", None)
    assert "--data names" in _error("mnist", offline / "elsewhere")


@pytest.mark.parametrize("archive", [MNIST, CIFAR], ids=lambda archive: archive.id)
def test_damaged_data_name_the_file_and_the_digests(offline, archive):
    _fill(offline / "named", archive)
    message = _error(archive.id, offline / "named")
    first, known = next(iter(archive.files.items()))
    assert str(offline / "named" / archive.folder / first) in message
    assert hashlib.md5(b"not the data").hexdigest() in message
    assert all(digest in message for digest in known)


def test_a_pickle_of_unknown_digest_is_never_opened(offline):
    trace = offline / "opened"

    class Harmful:
        def __reduce__(self):
            return (Path.touch, (trace,))

    _fill(offline / "named", CIFAR, pickle.dumps(Harmful()))
    _error("cifar100", offline / "named")
    assert not trace.exists()


def test_an_interrupted_download_leaves_nothing_to_mistake_for_data(offline, monkeypatch):
    def breaks_off(root):
        _fill(Path(root), MNIST, b"half")
        raise ConnectionResetError("broken off")

    _set_download(monkeypatch, breaks_off)
    assert "broken off" in _error("mnist", None)
    assert list((offline / "data").iterdir()) == []


def test_a_wrong_download_is_not_kept(offline, monkeypatch):
    _set_download(monkeypatch, lambda root: _fill(Path(root), MNIST))
    assert "md5" in _error("mnist", None)
    assert list((offline / "data").iterdir()) == []


def test_a_right_download_is_kept_and_found_again(offline, monkeypatch, real_data):
    _set_download(monkeypatch, lambda root: shutil.copytree(real_data / "MNIST", Path(root) / "MNIST"))
    assert len(load("mnist").train_labels) == 60000
    assert [path.name for path in (offline / "data").iterdir()] == ["MNIST"]
    _set_download(monkeypatch, _no_network)
    assert describe()[0]["place"] == str(offline / "data")


def test_describe_downloads_nothing_and_tells_what_is_there(offline):
    _fill(offline / "data", CIFAR)
    mnist, cifar, digits = describe()
    assert mnist["status"] == "missing" and mnist["place"] == ""
    assert "damaged" in cifar["status"] and cifar["place"] == str(offline / "data")
    assert digits["status"] == "ok, original" and "scikit-learn" in digits["place"]
    assert all(row["source"] for row in (mnist, cifar, digits))


def test_real_data_have_known_digests_and_the_published_sizes(real_data):
    mnist, cifar = load("mnist", real_data), load("cifar100", real_data)
    assert mnist.train_images.shape == (60000, 784) and mnist.test_images.shape == (10000, 784)
    assert mnist.train_labels.bincount()[:3].tolist() == [5923, 6742, 5958]  # as LeCun's page counts them
    assert cifar.train_images.shape == (50000, 3, 32, 32) and cifar.test_images.shape == (10000, 3, 32, 32)
    assert set(cifar.train_labels.bincount().tolist()) == {500}
    assert set(cifar.test_labels.bincount().tolist()) == {100}
    for archive, read in ((MNIST, mnist), (CIFAR, cifar)):
        assert all(read.digests[name] in known for name, known in archive.files.items())


def test_one_flipped_byte_in_a_label_file_is_noticed(real_data, offline):
    shutil.copytree(real_data / "MNIST", offline / "named" / "MNIST")
    path = offline / "named" / "MNIST/raw/t10k-labels-idx1-ubyte"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert str(path) in _error("mnist", offline / "named")


def test_a_legacy_processed_file_is_not_read_instead_of_the_checked_ones(real_data, offline):
    named = offline / "named"
    shutil.copytree(real_data / "MNIST", named / "MNIST")
    (named / "MNIST/processed").mkdir()
    blank = (torch.zeros(5, 28, 28, dtype=torch.uint8), torch.zeros(5))
    for name in ("training.pt", "test.pt"):
        torch.save(blank, named / "MNIST/processed" / name)
    assert len(load("mnist", named).train_labels) == 60000


def test_data_are_read_once(real_data):
    assert load("mnist", real_data) is load("mnist", real_data)
    assert load("digits") is load("digits")


def test_torchvision_and_avalanche_import_quietly():
    script = "import benchmark.common.imports, torchvision.ops, avalanche.training"
    done = python("-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
