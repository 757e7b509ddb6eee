"""The data files of MNIST and CIFAR-100: locations, digests and download."""

import benchmark.common.imports  # noqa: F401  (before torchvision)

import contextlib
import hashlib
import http.client
import io
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torchvision import datasets

from methods.errors import InputError

VARIABLE = "BENCHMARK_DATA"
DEFAULT = Path("data")  # the root in torchvision's own examples
_TIMEOUT = 30.0  # seconds to wait for an answer of a server


@dataclass(frozen=True)
class Archive:
    """A data set of several files in torchvision's layout."""

    id: str
    title: str
    folder: str
    files: dict[str, dict[str, str]]  # name -> md5 -> "original" or "mirror"
    download: Callable[[str], object]  # downloads the files below a root directory
    source: str


ARCHIVES = {
    "mnist": Archive(
        "mnist",
        "MNIST",
        "MNIST/raw",
        {
            "train-images-idx3-ubyte": {"6bbc9ace898e44ae57da46a324031adb": "original"},
            "train-labels-idx1-ubyte": {"a25bea736e30d166cdddb491f175f624": "original"},
            "t10k-images-idx3-ubyte": {"2646ac647ad5339dbf082846283269ea": "original"},
            "t10k-labels-idx1-ubyte": {"27ae3e4e09519cfbb04c329615203637": "original"},
        },
        lambda root: datasets.MNIST(root, download=True),
        "LeCun, Cortes and Burges; CC BY-SA 3.0",
    ),
    # The mirror has the original's images and sequence of labels, but the images of each class in another order.
    "cifar100": Archive(
        "cifar100",
        "CIFAR-100",
        "cifar-100-python",
        {
            "train": {"16019d7e3df5f24257cddd939b257f8d": "original", "00ea2ac32382438c57aba132f929e8e7": "mirror"},
            "test": {"f0ef6b0ae62326f3e7ffdfab6717acfc": "original", "8135f83ba1ca0b35ae593fd1f417c327": "mirror"},
            "meta": {"7973b15100ade9c7d40fb424638fde48": "original", "738b41987ce5321cc893edae97b4c6ff": "mirror"},
        },
        lambda root: datasets.CIFAR100(root, download=True),
        "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; no licence stated",
    ),
}


def places(archive: Archive, directory: Path | None) -> list[Path]:
    """The places to search, in order: `directory` or $BENCHMARK_DATA, ./data, and Avalanche's download folder.

    Raises InputError if the named directory does not exist.
    """
    home = Path(os.path.expanduser("~"))  # stays "~" without a home directory
    return [*roots(directory), *([home / ".avalanche/data" / archive.id] if home.is_absolute() else [])]


def roots(directory: Path | None) -> list[Path]:
    """The places to search for data of any kind: `directory` or $BENCHMARK_DATA, if one is given, then ./data.

    Raises InputError if the named directory does not exist.
    """
    named = directory if directory is not None else os.environ.get(VARIABLE)
    if not named:
        return [DEFAULT]
    root = Path(os.path.expanduser(named))
    if not os.path.isdir(root):  # unlike Path.is_dir, it does not fail for names too long or folders without access
        who = "--data" if directory is not None else VARIABLE
        raise InputError(f"{who} names {root}, which is not a directory: make it, or name another one")
    return [root, DEFAULT]


def find(archive: Archive, directory: Path | None) -> Path | None:
    """The first place that has all files of the archive, unchecked; None if no place has them."""
    for root in places(archive, directory):
        if _count(archive, root) == len(archive.files):
            return root
    return None


def obtain(archive: Archive, directory: Path | None) -> Path:
    """A place that has all files of the archive. If there is none, they are downloaded to the first place.

    Raises InputError, which names the places, if the download fails.
    """
    root = find(archive, directory)
    if root is not None:
        return root
    looked = places(archive, directory)
    try:
        _download(archive, looked[0])
    except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
        files = len(archive.files)
        where = ", ".join(f"{place} ({_count(archive, place)} of {files} files)" for place in looked)
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{archive.title} is not in {where}, and its download to {looked[0]} failed ({reason}): name a "
            f"directory that holds {archive.folder}/ with {', '.join(archive.files)} by --data or {VARIABLE}"
        ) from error
    return looked[0]


def digests(archive: Archive, root: Path) -> dict[str, str]:
    """The md5 of each of the archive's files below `root`. Raises InputError if a digest is unknown."""
    return {name: read(archive, root, name)[1] for name in archive.files}


def read(archive: Archive, root: Path, name: str) -> tuple[bytes, str]:
    """The content of one of the archive's files below `root`, and the md5 of that content.

    Raises InputError if the file cannot be read or its md5 is unknown.
    """
    path, known = root / archive.folder / name, archive.files[name]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): name other data by --data or {VARIABLE}"
        ) from error
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest not in known:
        raise InputError(
            f"{path} is damaged or not {archive.title}: its md5 is {digest}, expected {' or '.join(known)}; "
            f"delete the file to have it downloaded again, or name an intact copy by --data or {VARIABLE}"
        )
    return content, digest


def _count(archive: Archive, root: Path) -> int:
    return sum(os.path.isfile(root / archive.folder / name) for name in archive.files)


def _download(archive: Archive, root: Path) -> None:
    """Download to a temporary folder below `root`, and move the files only after their digests are checked."""
    root.mkdir(parents=True, exist_ok=True)
    quiet = contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO())
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as fresh, quiet:
            archive.download(fresh)
            digests(archive, Path(fresh))
            (root / archive.folder).mkdir(parents=True, exist_ok=True)
            for name in archive.files:
                os.replace(Path(fresh) / archive.folder / name, root / archive.folder / name)
    finally:
        socket.setdefaulttimeout(patience)
