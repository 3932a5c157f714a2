"""The package as others use it: what it exports, and that it says what it takes."""

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

import instnorm

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
