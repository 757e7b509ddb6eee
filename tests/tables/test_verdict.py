"""The verdict at its borders, on figures written out by hand."""

import math

import pytest

from benchmark.tables.published import Figure
from benchmark.tables.verdict import combined_deviation, verdict

NARROW = Figure(50.0, 0.5, 0.23, 0.01)
WIDE = Figure(50.0, 3.0, 0.23, 0.01)


@pytest.mark.parametrize(
    ("accuracy", "forgetting", "expected"),
    [
        (50.0, 0.23, "reproduced"),
        (53.0, 0.23, "reproduced"),
        (47.0, 0.23, "reproduced"),
        (53.01, 0.23, "deviates"),
        (46.99, 0.23, "deviates"),
        (50.0, 0.28, "reproduced"),  # 0.28 - 0.23 is above 0.05 in floating point
        (50.0, 0.18, "reproduced"),
        (50.0, 0.2801, "deviates"),
        (50.0, 0.1799, "deviates"),
    ],
)
def test_three_points_and_five_hundredths_are_allowed(accuracy, forgetting, expected):
    assert verdict(accuracy, 0.5, forgetting, NARROW) == expected


@pytest.mark.parametrize(
    ("accuracy", "deviation", "expected"),
    [
        (60.0, 4.0, "reproduced"),  # 2 * sqrt(4² + 3²) = 10
        (60.01, 4.0, "deviates"),
        (40.0, 4.0, "reproduced"),
        (39.99, 4.0, "deviates"),
        (56.0, math.nan, "reproduced"),  # a single seed adds no deviation: 2 * 3
        (56.01, math.nan, "deviates"),
    ],
)
def test_or_two_combined_deviations(accuracy, deviation, expected):
    assert verdict(accuracy, deviation, 0.23, WIDE) == expected


def test_an_accuracy_that_is_right_does_not_excuse_forgetting():
    assert verdict(50.0, 4.0, 0.30, WIDE) == "deviates"


def test_deviations_add_by_their_squares():
    assert combined_deviation(3.0, 4.0) == 5.0
    assert combined_deviation(math.nan, 4.0) == 4.0
