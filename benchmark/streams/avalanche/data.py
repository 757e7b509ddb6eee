"""The data of Avalanche's classic benchmarks. They are found in the suite's data folders and never downloaded."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import contextlib
import inspect
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import avalanche.benchmarks.classic.ccifar100 as ccifar100
import avalanche.benchmarks.classic.cmnist as cmnist
from avalanche.benchmarks.datasets.clear import SEED_LIST

from benchmark.streams.archives import ARCHIVES, VARIABLE, digests, find, roots
from benchmark.streams.pickles import only_known
from methods.errors import InputError

_ARCHIVES = {cmnist.__name__: "mnist", ccifar100.__name__: "cifar100"}

Maker = Callable[..., object]


def known_archive(maker: Maker, directory: Path | None) -> tuple[Path | None, dict[str, str]]:
    """The folder of the data of a classic benchmark and their checked digests; (None, {}) if their digests are unknown.

    Raises InputError if the data are missing or damaged.
    """
    if maker.__module__ not in _ARCHIVES or maker.__name__ == "SplitCIFAR110":  # it uses CIFAR-10 too
        return None, {}
    archive = ARCHIVES[_ARCHIVES[maker.__module__]]
    root = find(archive, directory)
    if root is None:
        looked = [str(place) for place in roots(directory)]
        raise InputError(_missing(maker, f"the files of {archive.title}, which", looked, f"{archive.folder}/"))
    return root, digests(archive, root)


def seed_for(maker: Maker, seed: int, arguments: Mapping[str, object]) -> dict[str, int]:
    """The argument `seed` of a classic benchmark's function. CLEAR accepts a seed only with the protocol "iid".

    Raises InputError if the data of CLEAR have no split for the seed.
    """
    if maker.__name__ != "CLEAR":
        return {"seed": seed}
    if arguments.get("evaluation_protocol") != "iid":
        return {}
    if seed not in SEED_LIST:
        first, last = min(SEED_LIST), max(SEED_LIST)
        raise InputError(
            f"avalanche:CLEAR has splits for the seeds {first} to {last} and none for {seed}: give --seeds {last + 1}"
        )
    return {"seed": seed}


def make(maker: Maker, arguments: Mapping[str, object], directory: Path | None) -> object:
    """The benchmark that a classic benchmark's function makes from existing data.

    Pickles are opened only if their digest is known (benchmark.streams.pickles). Raises InputError if the data are
    missing or not trusted.
    """
    root, _ = known_archive(maker, directory)
    if root is not None:
        with _digests_checked(), only_known():
            return maker(**arguments, dataset_root=str(root))
    takes_root = "dataset_root" in inspect.signature(maker).parameters
    for place in [*_named(directory), None] if takes_root else [None]:  # None: Avalanche's download folder
        with _nothing_new() as refused, only_known() as refusals, contextlib.redirect_stdout(io.StringIO()):
            try:
                return maker(**arguments, **({"dataset_root": place} if takes_root else {}))
            except Exception:
                if refusals:
                    raise refusals[0] from None
                if not refused.called:
                    raise
    raise InputError(_missing(maker, "data that", _named(directory), "them"))


def _named(directory: Path | None) -> list[str]:
    """The directory that a person named, if any. ./data, the last root, is not searched."""
    return [str(root) for root in roots(directory)[:-1]]


def _missing(maker: Maker, what: str, looked: Sequence[str], wanted: str) -> str:
    where = ", ".join([*looked, "the place where Avalanche keeps its downloads"])
    return (
        f"avalanche:{maker.__name__} needs {what} are not in {where}, and nothing is downloaded here: name a directory "
        f"that holds {wanted} by --data or {VARIABLE}, or call avalanche.benchmarks.classic.{maker.__name__} once"
    )


@contextmanager
def _digests_checked() -> Iterator[None]:
    """Let torchvision read exactly the files whose digests the suite has just checked, including those of a mirror."""
    with (
        mock.patch("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: os.path.isfile(path)),
        mock.patch("torchvision.datasets.MNIST._check_legacy_exist", return_value=False),
    ):
        yield


@contextmanager
def _nothing_new() -> Iterator[mock.Mock]:
    """Refuse the first steps of a download: creating a folder and looking up a server."""
    refused = mock.Mock(side_effect=RuntimeError("it wants to download its data"))
    with mock.patch("os.mkdir", refused), mock.patch("socket.getaddrinfo", refused):
        yield refused
