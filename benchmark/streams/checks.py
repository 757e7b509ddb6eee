"""Checks of an external stream. Each function checks labels or images, and returns a list of lines.

An error stops a run. Warnings are printed once, before the first training. In the lines, tasks are counted from 1 and
rows are zero-based. Shape letters: N examples, D pixels of an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from benchmark.streams.images import TaskImages

if TYPE_CHECKING:
    from benchmark.streams.avalanche.scenario import Scenario

LARGEST_PIXEL = 8.0
"""Pixels of standardised images seldom exceed this; pixels of unscaled images do."""
LARGEST_UNSCALED = 100.0
"""If no pixel is negative and one exceeds this, the images are certainly unscaled."""
SMALLEST_PIXEL = 0.1
"""If the brightest pixel is below this, the images are nearly black."""
_NAMED = 3
"""Maximum number of tasks that a line names. It counts the others."""


def disjoint_classes(scenario: Scenario) -> list[str]:
    """An error for each task whose test set has none of the classes that the task trains."""
    if scenario.one_test_set:
        return []
    return [
        f"the test set of task {task + 1} has {len(two.labels)} images, none of a class that task {task + 1} trains "
        f"(trained: {_listed(one.labels)}; tested: {_listed(two.labels)}): put test experiences in the order of the "
        "training experiences"
        for task, (one, two) in enumerate(zip(scenario.train, scenario.test, strict=True))
        if not {*one.labels} & {*two.labels}
    ]


def untrained_classes(scenario: Scenario) -> list[str]:
    """A warning if test sets have classes that their task never trains.

    If all tasks share one test set, there is a warning for each of its classes that no task trains.
    """
    if scenario.one_test_set:
        trained = set().union(*(part.labels for part in scenario.train))
        return [
            f"the one test set of all tasks has {count} images of class {label}, which is never trained: each counts "
            "as an error; leave the class out of the test set, or train it"
            for label, count in sorted(Counter(scenario.test[0].labels).items())
            if label not in trained
        ]
    found = []
    for task, (one, two) in enumerate(zip(scenario.train, scenario.test, strict=True)):
        strange = sorted({*two.labels} - {*one.labels})
        count = sum(label in strange for label in two.labels)
        if strange:
            found.append(f"task {task + 1} ({count} of {len(two.labels)} images, {_classes(strange)})")
    return [
        f"test sets have classes that their task never trains: {_some(found)}; they count in its accuracy and "
        "forgetting: leave them out of the test set, or train them"
    ] * bool(found)


def unscaled_pixels(parts: Sequence[tuple[str, Tensor]]) -> list[str]:
    """An error if images of another type than uint8 are unscaled.

    They are unscaled if no pixel is negative and the largest exceeds LARGEST_UNSCALED. If all pixels are whole numbers,
    as in bytes, the bound is LARGEST_PIXEL. parts: name and images [N, ...] of each experience.
    """
    low, high, where = _range(parts)
    whole = high > LARGEST_PIXEL and all(bool((images == images.round()).all()) for _, images in parts)
    if low < 0 or not (whole or high > LARGEST_UNSCALED):
        return []
    return [
        f"pixels go from {low:g} to {high:g} ({where}): scale them to [0, 1], as images / {high:g}, or "
        "give tensors of the type uint8, which are divided by 255"
    ]


def unusual_pixels(parts: Sequence[tuple[str, Tensor]], scale: float) -> list[str]:
    """A warning if pixels are far larger or smaller than networks expect. scale: the divisor of the pixels."""
    low, high, where = _range(parts)
    largest = max(-low, high) / scale
    if SMALLEST_PIXEL <= largest <= LARGEST_PIXEL:
        return []
    by = " after bytes are divided by 255" if scale != 1 else ""
    return [
        f"pixels go from {low / scale:.4g} to {high / scale:.4g}{by} ({where}), but the default learning rates are for "
        "about [0, 1]: scale the images, or standardise them"
    ]


def shown_in_training(train: Sequence[TaskImages], test: Sequence[TaskImages]) -> list[str]:
    """A warning if test images are identical to training images of any task."""
    trained = [_fingerprints(images) for images in train]
    every = np.unique(np.concatenate(trained))
    shared = len(test) > 1 and test[0] is test[1]
    found = []
    for task, images in enumerate(test[:1] if shared else test):
        own = _fingerprints(images)
        count = int(np.isin(own, every).sum())
        if count:
            tasks = [f"{other + 1}" for other, theirs in enumerate(trained) if np.isin(own, theirs).any()]
            whose = "the one test set" if shared else f"task {task + 1}"
            many = ", ".join(tasks[:_NAMED]) + (f" and {len(tasks) - _NAMED} more" if len(tasks) > _NAMED else "")
            found.append(f"{count} of {len(own)} of {whose} (in training of task {many})")
    return [
        f"test images are also training images: {_some(found)}; accuracy then measures memory: keep the sets apart"
    ] * bool(found)


def _fingerprints(images: TaskImages) -> np.ndarray:
    """A hash of each image, uint64 [N]."""
    rows = images.base[images.rows].flatten(1).contiguous().numpy()
    rows = rows.view(np.uint8).reshape(len(rows), -1)
    padded = np.zeros((len(rows), -(-rows.shape[1] // 8) * 8), np.uint8)
    padded[:, : rows.shape[1]] = rows
    words = padded.view(np.uint64)
    weights = np.random.default_rng(0).integers(0, 2**64, words.shape[1], np.uint64) | np.uint64(1)
    return (words * weights).sum(1, dtype=np.uint64)


def _range(parts: Sequence[tuple[str, Tensor]]) -> tuple[float, float, str]:
    """The smallest and the largest pixel of all parts, and the name of the part with the pixel farthest from 0."""
    ends = [(*map(float, torch.aminmax(images)), name) for name, images in parts]
    return min(end[0] for end in ends), max(end[1] for end in ends), max(ends, key=lambda e: max(-e[0], e[1]))[2]


def _some(found: Sequence[str]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more


def _classes(labels: Sequence[int]) -> str:
    return f"class{'es' if len(labels) > 1 else ''} {_listed(labels)}"


def _listed(labels: Sequence[int]) -> str:
    numbers = sorted(set(labels))
    return ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
