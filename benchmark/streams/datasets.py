"""Loads the data sets as tensors. The digest of each file is checked before its content is used.

Shape letters: N examples, D pixels of an image.
"""

import benchmark.common.imports  # noqa: F401  (before torchvision)

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import __version__ as sklearn_version
from sklearn.datasets import load_digits
from torch import Tensor

from benchmark.streams.archives import ARCHIVES, Archive, digests, find, obtain, read
from benchmark.streams.pickles import plain
from methods.errors import InputError

# of the bytes of train images, train labels, test images and test labels
_DIGITS_SHA256 = "86e31c2ecbd8915e92a6bd3c14e776ede04d2f795c560ebb07daa656096f9670"
_DIGITS_SOURCE = "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI; CC BY 4.0"


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set: images uint8 [N, D] or [N, 3, 32, 32], labels int64 [N]."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    scale: float  # the value of a fully inked pixel: 255, or 16 for the digits
    digests: dict[str, str]  # file -> md5; the digits are not a file: sha256 of their content


def load(dataset: str, directory: Path | None = None) -> ImageData:
    """The data set "mnist", "cifar100" or "digits". A process reads it once, and all callers share its tensors.

    MNIST and CIFAR-100 are searched in `directory` (or $BENCHMARK_DATA), then in ./data, then in Avalanche's download
    folders (~/.avalanche/data/mnist, .../cifar100). If they are not found, torchvision downloads them to the named
    directory, or to ./data. The digits come with scikit-learn.
    Raises InputError if data are damaged, or if they are missing and the download fails.
    """
    if dataset == "digits":
        return _digits()
    return _files(dataset, obtain(ARCHIVES[dataset], directory).resolve())


def describe(directory: Path | None = None) -> list[dict[str, str]]:
    """What `load` would find without a download, one row per data set.

    Keys: dataset (id), title, place ("" if missing), status ("ok, original", "ok, mirror", "missing" or the line that
    says what is damaged), digests ("name digest" pairs joined by "; "), source (with licence).
    Raises InputError if `directory` does not exist.
    """
    rows = [_describe_archive(archive, directory) for archive in ARCHIVES.values()]
    place = f"scikit-learn {sklearn_version}"
    return [*rows, _row("digits", "Digits", place, "ok, original", _digits().digests, _DIGITS_SOURCE)]


def _describe_archive(archive: Archive, directory: Path | None) -> dict[str, str]:
    root = find(archive, directory)
    if root is None:
        return _row(archive.id, archive.title, "", "missing", {}, archive.source)
    place = str(root.resolve())
    try:
        found = digests(archive, root)
    except InputError as error:
        return _row(archive.id, archive.title, place, str(error), {}, archive.source)
    kinds = {archive.files[name][digest] for name, digest in found.items()}
    return _row(archive.id, archive.title, place, f"ok, {' and '.join(sorted(kinds))}", found, archive.source)


def _row(dataset: str, title: str, place: str, status: str, found: dict[str, str], source: str) -> dict[str, str]:
    listed = "; ".join(f"{name} {digest}" for name, digest in found.items())
    return dict(dataset=dataset, title=title, place=place, status=status, digests=listed, source=source)


@lru_cache
def _files(dataset: str, root: Path) -> ImageData:
    archive = ARCHIVES[dataset]
    found: dict[str, str] = {}

    def content(name: str) -> bytes:
        data, found[name] = read(archive, root, name)
        return data

    parts = (_mnist if dataset == "mnist" else _cifar100)(content)
    return ImageData(*parts, scale=255.0, digests={name: found[name] for name in archive.files})


def _mnist(content: Callable[[str], bytes]) -> list[Tensor]:
    # torchvision's class datasets.MNIST would prefer a processed/*.pt file, which has no known digest
    parts = []
    for part in ("train", "t10k"):
        parts.append(_idx(content(f"{part}-images-idx3-ubyte"), 16).reshape(-1, 784))
        parts.append(_idx(content(f"{part}-labels-idx1-ubyte"), 8).long())
    return parts


def _idx(content: bytes, header: int) -> Tensor:
    """The bytes after the header of a file in MNIST's IDX format."""
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy())


def _cifar100(content: Callable[[str], bytes]) -> list[Tensor]:
    parts = []
    for name in ("train", "test"):
        entry: Any = plain(content(name), "latin1")
        parts.append(torch.from_numpy(np.ascontiguousarray(entry["data"].reshape(-1, 3, 32, 32))))
        parts.append(torch.tensor(entry["fine_labels"]))
    content("meta")  # has only the names of the classes, but records hold its digest
    return parts


@lru_cache
def _digits() -> ImageData:
    images, labels = load_digits(return_X_y=True)
    images, labels = images.astype(np.uint8), labels.astype("<i8")
    test = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[4::5]] = True  # every fifth example, for the same share of each class
    parts = [images[~test], labels[~test], images[test], labels[test]]
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    if digest != _DIGITS_SHA256:
        raise InputError(
            f"scikit-learn {sklearn_version} has different digits: sha256 {digest}, expected {_DIGITS_SHA256}; "
            f"install the pinned version (make setup)"
        )
    return ImageData(*map(torch.from_numpy, parts), scale=16.0, digests={"digits": digest})
