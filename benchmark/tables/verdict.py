"""Whether a cell of the table reproduces the published one.

A cell is 'reproduced' where its accuracy lies within ACCURACY_POINTS of the paper's, or within DEVIATIONS combined
standard deviations of it, and its forgetting within FORGETTING of the paper's; else it 'deviates'.
"""

import math

from benchmark.tables.published import Figure

ACCURACY_POINTS = 3.0
DEVIATIONS = 2.0
FORGETTING = 0.05
_ROUNDING = 1e-9  # 0.28 - 0.23 is a little more than 0.05 in floating point, and yet within it


def combined_deviation(ours: float, theirs: float) -> float:
    """sqrt(ours² + theirs²), points; ours is NaN for a single run, whose deviation is not known, and counts as 0."""
    return math.hypot(0.0 if math.isnan(ours) else ours, theirs)


def verdict(accuracy: float, accuracy_std: float, forgetting: float, paper: Figure) -> str:
    """'reproduced' or 'deviates', for a cell's means over its complete runs beside the published figure.

    accuracy: percent; accuracy_std: points, NaN for a single run; forgetting: fraction.
    """
    allowed = max(ACCURACY_POINTS, DEVIATIONS * combined_deviation(accuracy_std, paper.accuracy_std))
    near = (
        abs(accuracy - paper.accuracy) <= allowed + _ROUNDING
        and abs(forgetting - paper.forgetting) <= FORGETTING + _ROUNDING
    )
    return "reproduced" if near else "deviates"
