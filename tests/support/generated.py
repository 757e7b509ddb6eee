"""How many inputs the property tests try.

FUZZ=10 python -m pytest -k fuzz tests tries ten times as many, and others each time.
"""

import os

from hypothesis import HealthCheck, settings

FUZZ = int(os.environ.get("FUZZ", "0"))
TIMES = max(1, FUZZ)
"""As many times the usual number of inputs."""


def examples(count: int):
    """Hypothesis' settings for that many examples, the same ones each time unless FUZZ is set."""
    return settings(
        max_examples=count * TIMES,
        derandomize=not FUZZ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
