"""Which students a file's tests ask about: only those are graded."""

import pytest


@pytest.fixture(scope="module")
def students_asked_for(request):
    """All students that a test of this file that's to be run has as its parameter `student`."""
    items = [item for item in request.session.items if item.path == request.path]
    parameters = [item.callspec.params for item in items if hasattr(item, "callspec")]
    return {each["student"] for each in parameters if "student" in each}
