"""What of a long list is tried each time, and what in `make gate`."""

import pytest


def late(names, always):
    """Names for `parametrize`: those that aren't in `always` are for `make gate`."""
    unknown = set(always) - set(names)
    assert not unknown, unknown
    return [n if n in always else pytest.param(n, marks=pytest.mark.slow) for n in names]
