"""The methods by name, in the paper's row order, for whoever shows results without loading any method."""

from typing import NamedTuple


class MethodRow(NamedTuple):
    """How a method stands in the table."""

    title: str
    memoryless: bool | None  # None: the question does not apply
    reference: str


_REGIMES = "Mirzadeh et al., Understanding the Role of Training Regimes in Continual Learning, NeurIPS 2020"

METHOD_ROWS: dict[str, MethodRow] = {
    "naive": MethodRow("Naive SGD", True, f"the baseline of {_REGIMES}"),
    "ewc": MethodRow(
        "EWC", True, "Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017"
    ),
    "agem": MethodRow("A-GEM", False, "Chaudhry et al., Efficient Lifelong Learning with A-GEM, ICLR 2019"),
    "er-reservoir": MethodRow(
        "ER-Reservoir", False, "Chaudhry et al., On Tiny Episodic Memories in Continual Learning, 2019"
    ),
    "stable-sgd": MethodRow("Stable SGD", True, _REGIMES),
    "multitask": MethodRow(
        "Multi-task", None, "Caruana, Multitask Learning, Machine Learning 1997; an upper bound here"
    ),
}


def memoryless(method: str) -> str:
    """'yes' or 'no', 'n/a' where the question does not apply, a dash for a method from elsewhere."""
    return {True: "yes", False: "no", None: "n/a"}[METHOD_ROWS[method].memoryless] if method in METHOD_ROWS else "–"
