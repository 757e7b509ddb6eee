"""The data of Avalanche's classic benchmarks: found where the suite finds data, and never downloaded."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import contextlib
import inspect
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import avalanche.benchmarks.classic.ccifar100 as ccifar100
import avalanche.benchmarks.classic.cmnist as cmnist

from benchmark.streams.archives import ARCHIVES, VARIABLE, digests, find, roots
from methods.errors import InputError

_ARCHIVES = {cmnist.__name__: "mnist", ccifar100.__name__: "cifar100"}

Maker = Callable[..., object]


def known_archive(maker: Maker, directory: Path | None) -> tuple[Path | None, dict[str, str]]:
    """Where the data of a classic benchmark lie, and their checked digests; (None, {}) for data unknown here.

    Raises InputError where they are missing or damaged.
    """
    if maker.__module__ not in _ARCHIVES or maker.__name__ == "SplitCIFAR110":  # which has CIFAR-10 besides
        return None, {}
    archive = ARCHIVES[_ARCHIVES[maker.__module__]]
    root = find(archive, directory)
    if root is None:
        raise InputError(_missing(maker, f"{archive.title}, which", directory, f"{archive.folder}/"))
    return root, digests(archive, root)


def make(maker: Maker, arguments: Mapping[str, object], directory: Path | None) -> object:
    """The benchmark that a classic maker makes of data that are there. Raises InputError where there are none."""
    root, _ = known_archive(maker, directory)
    if root is not None:
        with _digests_checked():
            return maker(**arguments, dataset_root=str(root))
    takes_root = "dataset_root" in inspect.signature(maker).parameters
    kept = [None]  # where Avalanche keeps its downloads
    for place in [*map(str, roots(directory)), *kept] if takes_root else kept:
        with _nothing_new() as refused, contextlib.redirect_stdout(io.StringIO()):
            try:
                return maker(**arguments, **({"dataset_root": place} if takes_root else {}))
            except Exception:
                if not refused.called:
                    raise
    raise InputError(_missing(maker, "data that", directory, "them"))


def _missing(maker: Maker, what: str, directory: Path | None, wanted: str) -> str:
    where = ", ".join(map(str, roots(directory)))
    return (
        f"avalanche:{maker.__name__} needs {what} are not in {where} or where Avalanche keeps its downloads, and "
        f"nothing is downloaded here: name a directory that holds {wanted} by --data or {VARIABLE}, or call "
        f"avalanche.benchmarks.classic.{maker.__name__} once"
    )


@contextmanager
def _digests_checked() -> Iterator[None]:
    """Let torchvision take the files whose digests the suite has just checked, a mirror's too, and no others."""
    with (
        mock.patch("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: os.path.isfile(path)),
        mock.patch("torchvision.datasets.MNIST._check_legacy_exist", return_value=False),
    ):
        yield


@contextmanager
def _nothing_new() -> Iterator[mock.Mock]:
    """Refuse what a download begins with: a new folder, and the address of a server."""
    refused = mock.Mock(side_effect=RuntimeError("it wants to download its data"))
    with mock.patch("os.mkdir", refused), mock.patch("socket.getaddrinfo", refused):
        yield refused
