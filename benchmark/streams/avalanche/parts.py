"""The experiences of a stream, with names for messages. Labels and examples are checked when they are read."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from benchmark.common.loading import shown
from benchmark.streams.avalanche.labels import NoClass, class_of
from benchmark.streams.external import own_errors
from methods.errors import InputError


@dataclass(frozen=True)
class Part:
    """The training or test examples of a task: an experience of Avalanche."""

    spec: str  # of the stream
    name: str  # "task 2 of the training stream"
    experience: object

    def error(self, where: str, what: str) -> InputError:
        """An error about the part in one line. where: the row, for example ', row 3,'; what: what is wrong."""
        return InputError(f"{shown(self.spec)}: {self.name}{where} {what}")

    @cached_property
    def labels(self) -> list[int]:
        """The class of each example, in the benchmark's numbering.

        Raises InputError if there are no examples or a label is not a whole number.
        """
        with own_errors(self.spec, f" ({self.name}, its targets)"):
            count = len(self.experience.dataset)
            found = getattr(self.experience.dataset, "targets", None)
            found = None if found is None else _listed(found)
        if not count:
            raise self.error("", "has no examples (0 rows): leave the task out of the stream")
        if found is None:
            raise self.error("", "has examples without targets: use Avalanche's as_classification_dataset")
        if len(found) != count:
            raise self.error("", f"has {count} examples and {len(found)} labels: give one label per example")
        return [self._class(row, label, found) for row, label in enumerate(found)]

    def example(self, row: int) -> tuple[Tensor, int]:
        """The image and the label of an example, in evaluation mode, that is without augmentation.

        Raises InputError if the example cannot be read, its image is not a dense tensor of real numbers, or its label
        differs from that in the targets.
        """
        where = f", row {row},"
        with own_errors(self.spec, f" ({self.name}, row {row})"):
            given = self._evaluated[row]
        if not isinstance(given, tuple | list) or len(given) < 2:
            raise self.error(where, f"gives a {type(given).__name__}: return a tuple (image, label)")
        image, label = given[:2]
        if not isinstance(image, Tensor):
            raise self.error(where, f"gives a {type(image).__name__}, not a tensor: add ToTensor() to its transforms")
        if image.layout != torch.strided or image.is_complex() or image.is_quantized:
            kind = str(image.layout if image.layout != torch.strided else image.dtype).removeprefix("torch.")
            raise self.error(where, f"gives a tensor of the kind {kind}: give a dense tensor of real numbers")
        if self._class(row, label, [label]) != self.labels[row]:
            raise self.error(
                where, f"has the label {label!r:.40}, but its targets have {self.labels[row]}: make them equal"
            )
        return image.detach(), self.labels[row]

    @cached_property
    def _evaluated(self) -> Sequence:
        return self.experience.dataset.eval()

    def _class(self, row: int, label: object, among: Sequence[object]) -> int:
        try:
            return class_of(label)
        except NoClass as error:
            count = sum(map(_is_no_class, among))
            many = f" ({count} of {len(among)} labels)" if len(among) > 1 else ""
            text = "".join(letter if letter.isprintable() else " " for letter in f"{label!r:.60}")
            raise self.error(f", row {row}:", f"the label {text} {error.what}{many}; {error.remedy}") from None


def _listed(labels: Sequence[object]) -> list[object]:
    return labels.tolist() if isinstance(labels, Tensor) and labels.dim() == 1 else list(labels)


def _is_no_class(label: object) -> bool:
    try:
        class_of(label)
    except NoClass:
        return True
    return False
