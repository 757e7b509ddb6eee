"""The metrics on matrices worked by hand."""

import numpy as np
import pytest

from benchmark.records import derived, metrics
from benchmark.records.schema import Measurement
from methods.errors import InputError
from tests.support.literal import record

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


def value(name: str, matrix, measurements=None) -> float:
    """A metric worked out when a record is read, of a run on as many tasks as the matrix has."""
    run = record("ewc", "split-digits", 0, matrix, tasks=len(matrix))
    return derived.metrics()[name](run.model_copy(update={"measurements": measurements}))


def test_anytime_average_accuracy_is_the_mean_of_the_average_accuracies():
    expected = (0.8 + (0.9 + 0.7) / 2 + (0.5 + 0.6 + 1.0) / 3) / 3
    assert value("average_anytime_accuracy", LATE_BEST) == pytest.approx(expected)
    assert value("average_anytime_accuracy", NOT_MEASURED) == pytest.approx(expected)
    assert value("average_anytime_accuracy", [[0.25]]) == 0.25


def test_min_accuracy_is_the_least_after_a_task_was_learned():
    # task 0: the least of 0.4 and 0.7, its 0.5 on the diagonal left out; task 1: 1.0; the last task is not counted
    assert value("min_accuracy", ENDS_BEST) == pytest.approx((0.4 + 1.0) / 2)
    assert value("min_accuracy", NOT_MEASURED) == pytest.approx((0.5 + 0.6) / 2)
    assert np.isnan(value("min_accuracy", [[0.25]]))


def continual(phase, accuracy) -> dict[str, Measurement]:
    values = {"phase": phase, "step": list(range(1, len(phase) + 1)), "accuracy": accuracy}
    return {"continual": Measurement(options={"every": 1}, code="1-a", values=values)}


# Task 0 falls from 0.9 to 0.2, recovers to 0.8, falls to 0.5 and stays there; task 1 goes from 0.7 through 0.4 to 0.75.
DIPS = continual(
    [0, 0, 1, 1, 2, 2, 2], [[0.1], [0.9], [0.2, 0.3], [0.8, 0.7], [0.6, 0.4, 0.0], [0.5, 0.6, 0.5], [0.5, 0.75, 1.0]]
)


def test_worst_case_accuracy_takes_the_least_after_learning_and_the_end_of_the_last_task():
    # the measurements while a task is learned, as 0.1 and 0.3, do not count for that task
    least = 0.5 * (0.2 + 0.4)
    assert value("worst_case_accuracy", LATE_BEST, DIPS) == pytest.approx(1 / 3 * 1.0 + (1 - 1 / 3) * least)
    assert value("worst_case_accuracy", [[0.25]], continual([0, 0], [[0.125], [0.5]])) == 0.5


def test_the_stability_gap_is_the_drop_that_the_phase_made_good():
    # phase 1, task 0: min(0.9, 0.8) - 0.2; phase 2, task 0: min(0.8, 0.5) - 0.5; task 1: min(0.7, 0.75) - 0.4
    assert value("stability_gap", LATE_BEST, DIPS) == pytest.approx((0.6 + 0.0 + 0.3) / 3)
    risen = continual([0, 1, 1], [[0.5], [0.6, 0.1], [0.7, 0.9]])
    assert value("stability_gap", [[0.5, None], [0.5, 0.5]], risen) == 0.0
    assert np.isnan(value("stability_gap", [[0.25]], continual([0], [[0.5]])))


@pytest.mark.parametrize("name", ["worst_case_accuracy", "stability_gap"])
@pytest.mark.parametrize(
    "measurements",
    [
        None,
        {"other": DIPS["continual"]},
        continual([0, 1], [[0.5], [None, 0.5]]),
        continual([0, 1], [[0.5], [0.5]]),
        continual([0, 1], [[0.5]]),
        {"continual": Measurement(options={}, code="1-a", values={"step": 1})},
    ],
)
def test_what_was_not_measured_is_undefined(name, measurements):
    assert np.isnan(value(name, LATE_BEST, measurements))


def test_a_diverged_run_has_no_value():
    run = record("ewc", "split-digits", 0, [[0.5, None]], {"task": 1, "step": 3}, tasks=2)
    assert all(np.isnan(metric(run)) for metric in derived.metrics().values())


def test_every_metric_says_its_formula_and_source():
    for metric in derived.metrics().values():
        assert metric.about.endswith(".") and metric.source and metric.title


def test_columns_agree_with_what_a_record_holds():
    run = record("ewc", "split-digits", 0, LATE_BEST, tasks=3)
    assert derived.metrics()["learning_accuracy"](run) == metrics.learning_accuracy(LATE_BEST)
    assert derived.metrics()["backward_transfer"](run) == metrics.backward_transfer(LATE_BEST)


@pytest.mark.parametrize("name", ["average_accuracy", "seconds", "min_accuracy"])
def test_a_name_that_is_taken_is_refused(name):
    derived.metrics()

    def function(run):
        return 0.0

    function.__name__ = name
    with pytest.raises(InputError, match=f"'{name}' .*taken; rename"):
        derived.metric("another")(function)
