"""Labels of an external stream as whole numbers, or why they are none."""

import math
from numbers import Real

import numpy as np
from torch import Tensor

NUMBER = "give each class a whole number from 0"
SINGLE = "give one whole number an example: column 0 of labels [N, 1], the argmax of one-hot vectors"


class NoClass(ValueError):
    """A label that is no whole number: what it is, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def class_of(label: object) -> int:
    """The class that a label names: an integer, or a float that is whole, as 1.0. Raises NoClass for any other."""
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
        raise NoClass("is no whole number", NUMBER)
    if label < 0:
        raise NoClass("is negative", NUMBER)
    return int(label)
