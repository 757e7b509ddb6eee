"""Pickled data files. They are opened only if their digest is known, and then read as plain data."""

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
    ("_codecs", "encode"),  # bytes written by Python 2
    ("collections", "OrderedDict"),
}
"""The functions and classes that a pickle may refer to. Lists, dictionaries, text and numbers refer to none."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is code, not data")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def plain(content: bytes, encoding: str = "ASCII") -> object:
    """The arrays, lists, dictionaries, numbers and text that a pickle holds.

    encoding: of text written by Python 2. Raises pickle.UnpicklingError if the pickle refers to anything else.
    """
    return _Reader(io.BytesIO(content), encoding=encoding).load()


@cache
def known() -> dict[str, str]:
    """The pickles of published data sets, md5 -> file name."""
    from avalanche.benchmarks.datasets.core50 import core50_data
    from avalanche.benchmarks.datasets.openloris import openloris_data

    files = [(name, md5) for name, _, md5 in (*core50_data.data, *openloris_data.avl_vps_data)]
    files += [(name, md5) for name, md5 in (*datasets.CIFAR10.train_list, *datasets.CIFAR10.test_list)]
    files += [(datasets.CIFAR10.meta["filename"], datasets.CIFAR10.meta["md5"])]
    files += [(name, md5) for name, digests in ARCHIVES["cifar100"].files.items() for md5 in digests]
    return {md5: name for name, md5 in files}


@contextmanager
def only_known() -> Iterator[list[InputError]]:
    """Inside the block, pickle.load opens only files of `known` digests as plain data, and torch.load only tensors.

    The digest is that of the bytes that are unpickled. Yields a list that collects the refusals, because a library may
    catch the error and try something else.
    """
    refusals: list[InputError] = []

    def load(file: BinaryIO, *, encoding: str = "ASCII", **_: object) -> object:
        content, name = file.read(), getattr(file, "name", "a data file")
        digest = hashlib.md5(content).hexdigest()
        if digest not in known():
            refusals.append(
                InputError(
                    f"{name} is a pickle of unknown digest (md5 {digest}), which may hold code, so it is not opened: "
                    "replace it by the published file"
                )
            )
            raise refusals[-1]
        return plain(content, encoding)

    def refuse(*_: object, **__: object) -> object:
        refusals.append(InputError("a data file contains another pickle, which is not opened: use the published file"))
        raise refusals[-1]

    tensors = partial(torch.load, weights_only=True)
    with mock.patch("pickle.load", load), mock.patch("pickle.loads", refuse), mock.patch("torch.load", tensors):
        yield refusals
