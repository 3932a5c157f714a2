"""Which of the GPU's tests on the CPU are in `make test`; `make gate` has them all."""

import pytest

# Each kernel of each team in two precisions, the whole family, and what is called from elsewhere.
SAMPLE = {
    "test_forward_and_backward_are_those_of_numpy",
    "test_the_family_lives_on_the_gpu",
    "test_on_the_gpu_as_on_the_cpu",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name == "test_cuda_on_cpu.py" and (
            item.originalname not in SAMPLE or item.name.endswith(("bfloat16]", "float64]"))
        ):
            item.add_marker("slow")
