"""Where training is: what a learning-rate schedule is a function of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Where training is before a step is taken. Indices are zero-based.

    phase, phases: the phase being trained (as a rule one task), and how many the run has.
    epoch, epochs: the pass over the data of the phase, and how many a phase has.
    step, steps: steps taken in this phase, in all its epochs, and how many it has.
    run_step, run_steps: steps taken since the run began, in all its phases, and how many the run has.
    """

    phase: int
    phases: int
    epoch: int
    epochs: int
    step: int
    steps: int
    run_step: int
    run_steps: int
