"""Pickled data files: opened only where their digest is known, and then read as plain data."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import hashlib
import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import BinaryIO
from unittest import mock

import torch
from torchvision import datasets

from benchmark.streams.archives import ARCHIVES
from methods.errors import InputError

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_PLAIN = {
    *((module, name) for module in _MULTIARRAY for name in ("_reconstruct", "scalar")),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    ("_codecs", "encode"),  # bytes, as Python 2 wrote them
    ("collections", "OrderedDict"),
}
"""What a data file may name: arrays. Lists, dictionaries, text and numbers need no name."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is code and no data")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def plain(content: bytes, encoding: str = "ASCII") -> object:
    """The arrays, lists, dictionaries, numbers and text that a pickle holds.

    encoding: of text that Python 2 wrote. Raises pickle.UnpicklingError for a pickle that names anything else.
    """
    return _Reader(io.BytesIO(content), encoding=encoding).load()


@cache
def known() -> dict[str, str]:
    """The pickles of published data sets: md5 -> file name."""
    from avalanche.benchmarks.datasets.core50 import core50_data
    from avalanche.benchmarks.datasets.openloris import openloris_data

    files = [(name, md5) for name, _, md5 in (*core50_data.data, *openloris_data.avl_vps_data)]
    files += [(name, md5) for name, md5 in (*datasets.CIFAR10.train_list, *datasets.CIFAR10.test_list)]
    files += [(datasets.CIFAR10.meta["filename"], datasets.CIFAR10.meta["md5"])]
    files += [(name, md5) for name, digests in ARCHIVES["cifar100"].files.items() for md5 in digests]
    return {md5: name for name, md5 in files}


@contextmanager
def only_known() -> Iterator[list[InputError]]:
    """Inside the block, pickle.load opens files of `known` digests alone, as plain data, and torch.load tensors alone.

    The digest is of the bytes that are unpickled. Gives a list that collects the refusals, as libraries answer
    errors of theirs by trying something else.
    """
    refusals: list[InputError] = []

    def load(file: BinaryIO, *, encoding: str = "ASCII", **_: object) -> object:
        content, name = file.read(), getattr(file, "name", "a data file")
        digest = hashlib.md5(content).hexdigest()
        if digest not in known():
            refusals.append(
                InputError(
                    f"{name} is a pickle of unknown digest (md5 {digest}), which could hold code, so it is not opened: "
                    "put the file as it is published in its place"
                )
            )
            raise refusals[-1]
        return plain(content, encoding)

    def refuse(*_: object, **__: object) -> object:
        refusals.append(InputError("a data file holds a pickle inside another file, which is not opened"))
        raise refusals[-1]

    tensors = partial(torch.load, weights_only=True)
    with mock.patch("pickle.load", load), mock.patch("pickle.loads", refuse), mock.patch("torch.load", tensors):
        yield refusals
