"""The package as others use it: what it exports, and that it says what it takes."""

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module, metadata
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

import instnorm
from instnorm_site.wheel import build

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    m.name for m in pkgutil.iter_modules(instnorm.__path__) if m.name not in ("checks", "rows")
)


def test_modules_are_there_after_import_instnorm():
    code = (
        "import sys, instnorm\n"
        "assert 'instnorm.style' not in sys.modules\n"
        "instnorm.style.adain, instnorm.whitening.whiten\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'stile'"):
        instnorm.stile  # noqa: B018


def test_each_module_can_be_reached():
    own = {"arguments", "arrays", "layout", "norms"}
    assert set(MODULES) - own == set(instnorm._MODULES)
    assert set(dir(instnorm)) >= {*MODULES, "__version__"} - own


def test_the_version_is_that_of_the_distribution():
    assert instnorm.__version__ == metadata.version("instnorm")


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_are_listed_and_annotated(name):
    module = import_module(f"instnorm.{name}")
    own = [
        n
        for n, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__ and not n.startswith("_")
    ]
    if name not in ("arguments", "layout"):
        assert sorted(own) == sorted(
            n for n in module.__all__ if inspect.isfunction(getattr(module, n))
        )
    if name in ("arguments", "torch"):  # torch's signatures are torch's
        return
    for n in own:
        signature = inspect.signature(getattr(module, n))
        assert signature.return_annotation is not inspect.Signature.empty, n
        assert all(p.annotation is not p.empty for p in signature.parameters.values()), n


def test_type_checkers_may_read_the_annotations():
    assert Path(instnorm.__file__).with_name("py.typed").exists()


def paths(call):
    """By which modules of ours each function was reached, as tuples without neighbours repeated."""
    folder, found = Path(instnorm.__file__).parent, []

    def note(frame, event, _):
        path = []
        while event == "call" and frame:
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(folder):
                path.append(file.relative_to(folder).as_posix())
            frame = frame.f_back
        found.append(tuple(module for module, _ in groupby(reversed(path))))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("name", ["instance_norm", "batch_norm"])
def test_an_array_goes_one_way_and_enters_no_module_twice(name):
    x, gamma = np.arange(48.0).reshape(2, 2, 3, 4), np.ones(2)
    there = paths(lambda: getattr(instnorm, name)(x, gamma, gamma))
    back = paths(lambda: getattr(instnorm, f"{name}_backward")(x, x, gamma))
    for path in there + back:
        assert len(set(path)) == len(path), path
    way = ("norms.py", "layout.py", "rows/__init__.py", "rows/numpy.py")
    for each in (there, back):
        assert max(each, key=len) == way
        modules = {path[-1] for path in each if path}
        assert modules == {*way, "arguments.py"}
        checks = [k for k, path in enumerate(each) if path[-1:] == ("arguments.py",)]
        assert max(checks) < each.index(way)  # what is refused is refused before it is worked on


IN_A_SMALL_PLACE = """
import os, shutil, sys, sysconfig
from importlib.metadata import distributions

import numpy as np

import instnorm

assert {d.name.lower() for d in distributions()} == {"instnorm", "numpy"}
assert not shutil.which("instnorm-judge", path=sysconfig.get_path("scripts"))
assert instnorm.__file__.startswith(sys.prefix)
assert instnorm.__version__.startswith("0.")
folder = os.path.dirname(instnorm.__file__)
assert os.path.isfile(f"{folder}/py.typed") and os.path.isfile(f"{folder}/rows/rows.cu")

x = np.random.default_rng(0).normal(3, 2, (2, 3, 300, 400)).astype("float32")
y = instnorm.instance_norm(x)
mean, var = x.mean((2, 3), keepdims=True, dtype=float), x.var((2, 3), keepdims=True, dtype=float)
assert np.abs(y - (x - mean) / np.sqrt(var + 1e-5)).max() < 1e-5
dx, dgamma, dbeta = instnorm.instance_norm_backward(y, x)
assert dx.shape == x.shape and dgamma.shape == dbeta.shape == (3,)
z = instnorm.style.adain(x, 5 * x + 1)
assert np.abs(z - (5 * x + 1)).max() < 1e-3

import instnorm_checks

def answer(x, gamma, beta, eps=1e-5):
    return instnorm.instance_norm(x, gamma, beta, eps=eps)


assert instnorm_checks.check("instance-norm", answer) == 6
"""


@pytest.mark.slow  # 6 s: it builds a wheel
def test_the_wheel_is_enough_beside_numpy_and_brings_no_command(tmp_path):
    wheel = build(ROOT, tmp_path / "wheel")
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    # NumPy as it is installed here, and nothing else that is: there may be no network.
    (packages,) = venv.glob("lib/python3*/site-packages")
    numpy = metadata.distribution("numpy")
    for top in {file.parts[0] for file in numpy.files if file.parts[0] != ".."}:
        (packages / top).symlink_to(numpy.locate_file(top))
    pip = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "--no-index", wheel], check=True)
    subprocess.run([*pip, "check"], check=True)
    script = tmp_path / "script.py"
    script.write_text(IN_A_SMALL_PLACE)
    subprocess.run([python, "-I", script], check=True, cwd=tmp_path)
