"""Converts labels of an external stream to class numbers, or says why they are not class numbers."""

import math
from numbers import Real

import numpy as np
from torch import Tensor

NUMBER = "give each class a whole number from 0"
SINGLE = "give one whole number per example: column 0 of labels [N, 1], or the argmax of one-hot vectors"


class NoClass(ValueError):
    """A label is not a class number. what: what it is; remedy: what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def class_of(label: object) -> int:
    """The class number of a label, an integer or a whole float such as 1.0. Raises NoClass for other labels."""
    if type(label) is int and label >= 0:
        return label
    if isinstance(label, Tensor | np.ndarray | np.generic):
        if label.ndim:
            raise NoClass(f"has the shape {list(label.shape)}", SINGLE)
        label = label.item()
    if isinstance(label, list | tuple | dict | set):
        raise NoClass(f"is a {type(label).__name__}", SINGLE)
    if label is None:
        raise NoClass("is missing", f"{NUMBER}, and leave out examples without a label")
    if not isinstance(label, Real):
        raise NoClass("is text" if isinstance(label, str) else f"is a {type(label).__name__}", NUMBER)
    if not math.isfinite(label) or label != int(label):
        raise NoClass("is not a whole number", NUMBER)
    if label < 0:
        raise NoClass("is negative", NUMBER)
    return int(label)
