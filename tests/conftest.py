"""Fixtures that several test files share."""

import zlib

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    """A random generator of the test's own: the same numbers on every run, whatever runs before."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))
