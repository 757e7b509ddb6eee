"""Whether a strategy of Avalanche fits a stream and settings, told while the work is planned."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from benchmark.streams.build import Stream
from benchmark.training.avalanche.requirements import CLASS, DOMAIN, REQUIREMENTS, TASK, Requirement
from benchmark.training.schedules import schedule_of
from methods.errors import InputError
from methods.settings import Settings

_KINDS = {
    DOMAIN: "domain-incremental streams (the same classes in every task)",
    TASK: "task-incremental streams (a head a task)",
    CLASS: "class-incremental streams (other classes in every task, one head)",
}


def kind_of(stream: Stream) -> str:
    """DOMAIN, TASK or CLASS."""
    if stream.kind.heads == "per task":
        return TASK
    classes = _classes(stream)
    return DOMAIN if all(each == classes[0] for each in classes) else CLASS


def check(name: str, settings: Settings, stream: Stream) -> None:
    """Raises InputError, one line, where the strategy `name` cannot be trained, or would do nothing."""
    needs, method = REQUIREMENTS[name], f"avalanche:{name}"
    if not settings.shuffle:
        raise InputError(f"setting 'shuffle' cannot be False for {method}: Avalanche shuffles its own loaders")
    if schedule_of(settings) is not None:
        raise InputError(f"{method} cannot have a schedule: Avalanche's loop has one learning rate a task")
    if settings.optimizer_lifetime != Settings.model_fields["optimizer_lifetime"].default:
        raise InputError(f"{method} cannot have an optimizer_lifetime: Avalanche keeps one optimizer for the run")
    kind = kind_of(stream)
    if kind not in needs.works_on:
        works = "- and ".join(needs.works_on)
        raise InputError(
            f"{method} cannot train on {stream.kind.id}: it works on {works}-incremental streams only, "
            f"as on {_KINDS[kind]} {needs.limit}"
        )
    _check_solver(method, needs)
    told = _RULES.get(name, lambda settings, stream: None)(settings, stream)
    if told:
        raise InputError(f"{method} on {stream.kind.id}: {told}")


def _check_solver(method: str, needs: Requirement) -> None:
    if needs.solver:
        package, extra = needs.solver.split()
        if find_spec(package) is None:
            raise InputError(f"{method} needs the package {package}: pip install {package}, or the extra '{extra}'")


def remembered(stream: Stream, size: int, tasks: int) -> dict[int, int]:
    """Examples of each class in the library's class-balanced memory of `size` after the first `tasks` tasks."""
    counts = torch.stack([images.targets.bincount(minlength=stream.classes) for images in stream.train[:tasks]]).sum(0)
    seen = counts.nonzero().flatten().tolist()
    shares = [size // len(seen) + (place < size % len(seen)) for place in range(len(seen))]
    return {label: min(share, int(counts[label])) for label, share in zip(seen, shares, strict=True)}


def _classes(stream: Stream) -> list[set[int]]:
    return [set(images.targets.unique().tolist()) for images in stream.train]


def _replays(settings: Settings, stream: Stream) -> str | None:
    batch = getattr(settings, "batch_size_mem", None) or settings.batch_size
    held = sum(remembered(stream, settings.mem_size, 1).values())
    if len(stream.train) > 1 and held < batch:
        return f"its memory holds {held} examples after the first task, fewer than a replayed batch of {batch}"
    return None


def _retrieves(settings: Settings, stream: Stream) -> str | None:
    held = sum(remembered(stream, settings.mem_size, 1).values())
    if len(stream.train) > 1 and held <= settings.batch_size_mem:
        return f"its memory holds {held} examples after the first task: it must hold more than batch_size_mem"
    return None


def _contrasts(settings: Settings, stream: Stream) -> str | None:
    for tasks in range(2, len(stream.train) + 1):
        label, held = min(remembered(stream, settings.mem_size, tasks).items(), key=lambda item: item[1])
        if held < settings.batch_size:
            return (
                f"its memory holds {held} examples of class {label} in task {tasks}, fewer than a batch of "
                f"{settings.batch_size}: raise mem_size or lower batch_size"
            )
    return _replays(settings, stream)


def _is_full(settings: Settings, stream: Stream) -> str | None:
    if len(stream.train) > 1 and settings.mem_size > len(stream.train[0]):
        return (
            f"mem_size={settings.mem_size} is more than the {len(stream.train[0])} examples of the first task, "
            "and the library replays the empty places as blank images"
        )
    return None


def _decays(settings: Settings, stream: Stream) -> str | None:
    if settings.mode == "online" and settings.decay_factor is None:
        return "mode=online needs --set decay_factor=VALUE, from 0 to 1"
    return None


def _new(settings: Settings, stream: Stream) -> str | None:
    classes = _classes(stream)
    if sum(map(len, classes)) > len(set().union(*classes)):
        return "classes come again in later tasks, and it takes the classes of a task as new ones"
    return None


def _holds_out(settings: Settings, stream: Stream) -> str | None:
    held, classes = int(settings.val_percentage * settings.mem_size), len(remembered(stream, 1, len(stream.train)))
    if held < classes:
        return f"it holds out {held} examples for {classes} classes: raise mem_size or val_percentage"
    return _new(settings, stream)


_RULES = {
    "BiC": _holds_out,
    "DER": _replays,
    "ER_ACE": _replays,
    "ER_AML": _contrasts,
    "EWC": _decays,
    "FeatureReplay": _replays,
    "GSS_greedy": _is_full,
    "ICaRL": _new,
    "MIR": _retrieves,
}
