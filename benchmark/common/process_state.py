"""The state of a process that code of others may leave changed, and how it is put back."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch

State = dict[str, object]


class _Part(NamedTuple):
    """A part of the state: how it is read, and how it is set; None where it cannot be put back."""

    read: Callable[[], object]
    put: Callable[[object], object] | None


def _denormals_are_zero() -> bool:
    return (torch.tensor(2e-38, dtype=torch.float32) / 4).item() == 0


def _put_environment(values: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(values)


_PARTS: dict[str, _Part] = {
    "torch's default dtype": _Part(torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": _Part(torch.get_default_device, torch.set_default_device),
    "torch's gradient mode": _Part(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's number of threads": _Part(torch.get_num_threads, torch.set_num_threads),
    "torch's float32 matmul precision": _Part(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "torch's deterministic algorithms": _Part(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "torch's treatment of denormal numbers": _Part(_denormals_are_zero, torch.set_flush_denormal),
    "torch's random state": _Part(lambda: torch.get_rng_state().numpy().tobytes(), None),
    "NumPy's random state": _Part(lambda: _digest(np.random.get_state()), None),
    "Python's random state": _Part(lambda: _digest(random.getstate()), None),
    "NumPy's handling of errors": _Part(np.geterr, lambda value: np.seterr(**value)),
    "the current directory": _Part(os.getcwd, os.chdir),
    "the environment variables": _Part(lambda: dict(os.environ), _put_environment),
    "functions of torch": _Part(lambda: _functions(torch, torch.nn.functional, torch.Tensor), None),
}


def state() -> State:
    """What the parts of the process's state are now, by name."""
    return {name: part.read() for name, part in _PARTS.items()}


def changed(before: State) -> list[str]:
    """The names of the parts that differ from `before`."""
    now = state()
    return [name for name, value in before.items() if _differs(value, now[name])]


@contextmanager
def kept() -> Iterator[list[str]]:
    """Code that runs inside the block leaves the process as it was: what it changes is put back.

    Gives a list, which holds the names of the changed parts after the block.
    """
    before, names = state(), []
    generators = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield names
    finally:
        names.extend(changed(before))
        for name in names:
            put = _PARTS[name].put
            if put is not None:
                with suppress(OSError):  # the directory is gone
                    put(before[name])
        torch.set_rng_state(generators[0])
        np.random.set_state(generators[1])
        random.setstate(generators[2])


def _differs(before: object, now: object) -> bool:
    if isinstance(before, _Functions):  # what was added since did not take the place of anything
        return any(now.get(name, place) != place for name, place in before.items())
    return before != now


def _digest(value: object) -> str:
    return hashlib.blake2b(pickle.dumps(value), digest_size=16).hexdigest()


class _Functions(dict):
    """The identities of functions by owner and name: another identity means that one was patched."""


def _functions(*owners: ModuleType | type) -> _Functions:
    return _Functions(
        ((index, name), id(value))
        for index, owner in enumerate(owners)
        for name, value in vars(owner).items()
        if callable(value) and not isinstance(value, type) and not name.startswith("__")
    )
