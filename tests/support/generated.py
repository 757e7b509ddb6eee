"""How many inputs the property tests try.

FUZZ=10 python -m pytest -k fuzz tests tries ten times as many, and others each time.
"""

import os

from hypothesis import HealthCheck, settings


def examples(count: int):
    """Hypothesis' settings for that many examples, the same ones each time unless FUZZ is set."""
    factor = int(os.environ.get("FUZZ", "0"))
    return settings(
        max_examples=count * max(1, factor),
        derandomize=not factor,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
