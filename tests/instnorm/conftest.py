"""Which tests of the kernels are in `make test`; `make gate` has them all."""

import re

import pytest

# Each kernel of each team in two precisions, the whole family, and what is called from elsewhere.
SAMPLE = {
    "test_forward_and_backward_are_those_of_numpy",
    "test_the_family_lives_on_the_gpu",
    "test_on_the_gpu_as_on_the_cpu",
}


# What Numba has to compile in double precision, some 5 s each, but for long rows.
DOUBLE = re.compile(r"test_(for|back)ward\[compiled-(?!rows longer).*-float64\]")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name == "test_cuda_on_cpu.py" and (
            item.originalname not in SAMPLE or item.name.endswith(("bfloat16]", "float64]"))
        ):
            item.add_marker("slow")
        if DOUBLE.match(item.name):
            item.add_marker("slow")
