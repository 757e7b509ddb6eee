"""The progress of training, the argument of learning-rate schedules."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """The progress of training before a step. Indices are zero-based.

    phase, phases: index of the current phase (usually one task), and number of phases of the run.
    epoch, epochs: index of the current pass over the data of the phase, and number of passes per phase.
    step, steps: steps taken in this phase over all epochs, and number of steps of the phase.
    run_step, run_steps: steps taken in the run over all phases, and number of steps of the run.
    """

    phase: int
    phases: int
    epoch: int
    epochs: int
    step: int
    steps: int
    run_step: int
    run_steps: int
