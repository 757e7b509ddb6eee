"""The metrics on matrices worked by hand."""

import numpy as np
import pytest

from benchmark.records import metrics

# Row t: after task t. The best of task 0 before the end is in row 1, not on the diagonal.
LATE_BEST = [[0.8, 0.1, 0.2], [0.9, 0.7, 0.3], [0.5, 0.6, 1.0]]
# Every earlier task ends better than it ever was before.
ENDS_BEST = [[0.5, 0.9, 0.9], [0.4, 0.3, 0.9], [0.7, 1.0, 0.6]]


def test_average_accuracies_take_only_the_tasks_seen():
    expected = [0.8, (0.9 + 0.7) / 2, (0.5 + 0.6 + 1.0) / 3]
    assert metrics.average_accuracies(LATE_BEST) == pytest.approx(expected)


def test_average_accuracy_is_the_mean_of_the_last_row():
    assert metrics.average_accuracy(LATE_BEST) == pytest.approx(0.7)


def test_forgetting_is_counted_from_the_best_before_the_last_task():
    # task 0: 0.9 - 0.5; task 1: 0.7 - 0.6; the last task is not counted
    assert metrics.average_forgetting(LATE_BEST) == pytest.approx((0.4 + 0.1) / 2)


def test_forgetting_is_negative_where_the_final_accuracy_is_the_best():
    # the maximum leaves out the final row: task 0: 0.5 - 0.7; task 1: 0.9 - 1.0
    assert metrics.average_forgetting(ENDS_BEST) == pytest.approx((-0.2 - 0.1) / 2)


NOT_MEASURED = [[0.8, None, None], [0.9, 0.7, None], [0.5, 0.6, 1.0]]


def test_tasks_that_were_not_met_yet_need_no_accuracy():
    assert metrics.summarize(NOT_MEASURED) == metrics.summarize(LATE_BEST)
    assert metrics.average_accuracies(NOT_MEASURED).tolist() == metrics.average_accuracies(LATE_BEST).tolist()
    with pytest.raises(ValueError, match="lacks some"):
        metrics.summarize([[0.8, None], [None, 0.5]])


@pytest.mark.parametrize("matrix", [LATE_BEST, NOT_MEASURED])
def test_what_is_said_of_tasks_to_come_is_left_out(matrix):
    expected = [[0.8, np.nan, np.nan], [0.9, 0.7, np.nan], [0.5, 0.6, 1.0]]
    assert metrics.met(matrix) == pytest.approx(np.array(expected), nan_ok=True)


def test_tasks_of_one_phase_are_met_together():
    pairs = [[0.8, 0.7, None], [0.8, 0.7, None], [0.5, 0.6, 0.9]]
    assert np.isnan(metrics.met(pairs)).tolist() == [[False, False, True], [False, False, True], [False] * 3]
    assert not np.isnan(metrics.met([[0.5, 0.75, 1.0]] * 3)).any()


def test_learning_accuracy_is_the_mean_of_the_diagonal():
    assert metrics.learning_accuracy(LATE_BEST) == pytest.approx((0.8 + 0.7 + 1.0) / 3)


def test_backward_transfer_compares_the_end_with_the_diagonal():
    assert metrics.backward_transfer(LATE_BEST) == pytest.approx((0.5 - 0.8 + 0.6 - 0.7) / 2)
    assert metrics.backward_transfer(ENDS_BEST) == pytest.approx((0.7 - 0.5 + 1.0 - 0.3) / 2)


def test_a_single_task_forgets_nothing():
    assert metrics.summarize([[0.25]]) == {
        "average_accuracy": 0.25,
        "average_forgetting": 0.0,
        "learning_accuracy": 0.25,
        "backward_transfer": 0.0,
    }
    assert metrics.average_accuracies([[0.25]]).tolist() == [0.25]


def test_equal_rows_forget_nothing():
    rows = [[0.5, 0.75, 1.0]] * 3
    assert metrics.summarize(rows) == {
        "average_accuracy": 0.75,
        "average_forgetting": 0.0,
        "learning_accuracy": 0.75,
        "backward_transfer": 0.0,
    }


@pytest.mark.parametrize("matrix", [[], [[]], [0.5, 0.5], [[0.5, 0.5]], [[0.5], [0.5]]])
def test_a_matrix_that_is_not_square_is_refused(matrix):
    with pytest.raises(ValueError, match="square"):
        metrics.summarize(matrix)
