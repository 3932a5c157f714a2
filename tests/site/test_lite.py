"""The exercises in the browser: what is served, and how far it runs without a network."""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import nbformat
import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document
from jupyterlite_pyodide_kernel.constants import (
    PYODIDE_CDN_URL,
    PYODIDE_PYTHON_VERSION,
    PYODIDE_VERSION,
)
from playwright.sync_api import TimeoutError as TooLate

from instnorm_site import lite

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {path.stem: path for path in lite.notebooks(ROOT)}


@pytest.fixture(scope="session")
def built_lite(built):
    return built / "lite"


# --- what is served -----------------------------------------------------------------------------


def test_listing_has_the_notebooks(built_lite):
    listing = json.loads((built_lite / "api" / "contents" / "all.json").read_text())
    assert len(NOTEBOOKS) == 9
    assert {each["name"] for each in listing["content"]} == {f"{name}.ipynb" for name in NOTEBOOKS}


@pytest.mark.parametrize("assignment", NOTEBOOKS)
def test_notebook_is_the_students_own_after_two_cells(built_lite, assignment):
    here = nbformat.read(built_lite / "files" / f"{assignment}.ipynb", as_version=4)
    ours = nbformat.read(NOTEBOOKS[assignment], as_version=4)
    assert here.cells[2:] == ours.cells
    assert here.cells[1].source.startswith("%pip install -q instnorm")
    assert lite.IN_BROWSER.get(assignment, lite.Browser()).lacks in here.cells[0].source


def test_exceptions_are_those_of_assignments():
    assert set(lite.IN_BROWSER) < set(NOTEBOOKS)


def test_wheel_is_in_the_index_and_holds_the_packages_of_this_tree(built_lite):
    index = json.loads((built_lite / "pypi" / "all.json").read_text())
    (release,) = index["instnorm"]["releases"].values()
    wheel = built_lite / "pypi" / release[0]["filename"]
    assert release[0]["digests"]["sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    sources = [path for kind in ("py", "cu") for path in (ROOT / "src").rglob(f"*.{kind}")]
    with ZipFile(wheel) as packed:
        assert {path.relative_to(ROOT / "src").as_posix() for path in sources} == {
            name for name in packed.namelist() if name.endswith((".py", ".cu"))
        }


# --- the pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("assignment", NOTEBOOKS)
def test_page_invites_and_its_links_lead_to_the_notebook(built, assignment):
    page = BeautifulSoup((built / "hands-on" / f"{assignment}.html").read_text(), "html.parser")
    block = page.select_one("h1 + .try-it")
    here, download = (link["href"] for link in block.find_all("a"))
    assert here == f"../lite/{lite.APP}?path={assignment}.ipynb"
    assert (built / "lite" / lite.APP).is_file()
    assert (built / "hands-on" / download).read_bytes() == NOTEBOOKS[assignment].read_bytes()
    assert lite.IN_BROWSER.get(assignment, lite.Browser()).lacks in block.get_text()


def invitation(**theme_options):
    title = nodes.title("", "The algorithm")
    page = new_document("the-algorithm.md")
    page += nodes.section("", title, nodes.paragraph("", "Text"))
    app = SimpleNamespace(
        env=SimpleNamespace(docname="hands-on/the-algorithm"),
        srcdir=ROOT / "book",
        config=SimpleNamespace(html_theme_options=theme_options),
    )
    lite._invite(app, page)
    return [link["refuri"] for link in page.findall(nodes.reference) if "refuri" in link]


def test_other_places_are_offered_when_the_repository_is_known():
    assert len(invitation()) == 1
    _, binder, colab = invitation(
        repository_url="https://github.com/someone/book/", repository_branch="trunk"
    )
    notebook = "exercises/the-algorithm/the-algorithm.ipynb"
    assert binder == f"https://mybinder.org/v2/gh/someone/book/trunk?labpath={notebook}"
    assert colab.endswith(f"/github/someone/book/blob/trunk/{notebook}")


# --- in the browser -----------------------------------------------------------------------------


def test_notebook_opens_and_asks_nobody_but_pyodide(visit, site):
    abroad = []

    def watch(page):
        def refuse(route):
            abroad.append(route.request.url)
            route.abort()

        page.context.route(lambda url: not url.startswith((f"{site}/", "blob:", "data:")), refuse)

    page = visit(f"lite/{lite.APP}?path=the-algorithm.ipynb", watch=watch)
    page.get_by_role("heading", name="The algorithm").wait_for()
    page.get_by_text("%pip install -q instnorm").wait_for()
    page.wait_for_timeout(3000)  # the kernel starts by itself
    assert all(url.startswith(PYODIDE_CDN_URL) for url in abroad), abroad


# Runs under the Python of Pyodide, in a notebook. NumPy is not in Pyodide's core, so nothing that
# computes is imported here.
PROBE = """\
%pip install -q --no-deps instnorm
import os, sys
from importlib.metadata import version
print(sys.platform, version("instnorm"), os.cpu_count())
try:
    import instnorm_checks
except ModuleNotFoundError as error:
    print("lacks", error.name)
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """An archive of Pyodide's core and what the kernel needs of its packages: none is compiled."""
    folder = tmp_path_factory.mktemp("core")
    distribution = folder / "package"
    try:
        fetch("npm", "pack", "--silent", f"pyodide@{PYODIDE_VERSION}", cwd=folder)
        with tarfile.open(folder / f"pyodide-{PYODIDE_VERSION}.tgz") as archive:
            archive.extractall(folder, filter="data")
        lock = json.loads((distribution / "pyodide-lock.json").read_text())
        packages = lock["packages"]
        names = with_dependencies(packages, ["micropip", "ipython", "jedi"])
        wanted = [f"{packages[name]['name']}=={packages[name]['version']}" for name in names]
        options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--python-version")
        fetch(
            sys.executable,
            "-m",
            "pip",
            "download",
            *options,
            PYODIDE_PYTHON_VERSION,
            *wanted,
            cwd=distribution,
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NO PYODIDE, so no kernel is started: {error}")
    for name in names:  # Pyodide packs them anew, and so has other checksums
        wheel = (distribution / packages[name]["file_name"]).read_bytes()
        packages[name]["sha256"] = hashlib.sha256(wheel).hexdigest()
    (distribution / "pyodide-lock.json").write_text(json.dumps(lock))
    path = folder / "pyodide.tar.bz2"
    with tarfile.open(path, "w:bz2", compresslevel=1) as archive:
        archive.add(distribution, "pyodide")
    return path


def fetch(program, *options, cwd):
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(f"{program} is not installed")
    subprocess.run([found, *options], cwd=cwd, check=True, capture_output=True, timeout=60)


def with_dependencies(packages, names):
    found = []
    while names:
        name = names.pop().lower().replace("_", "-")
        if name not in found:
            found.append(name)
            names += packages[name]["depends"]
    return found


def test_kernel_starts_from_this_site_and_installs_our_wheel(
    core, serve, browser, tmp_path, monkeypatch
):
    monkeypatch.setenv(lite.PYODIDE, str(core))
    lite.build(ROOT, tmp_path / "lite")
    cell = nbformat.v4.new_code_cell(PROBE)
    metadata = {"kernelspec": {"name": "python", "display_name": "Python"}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=metadata)
    nbformat.write(notebook, tmp_path / "lite" / "files" / "the-algorithm.ipynb")
    with serve(tmp_path) as address, browser.new_context() as context:
        abroad = []
        context.on(
            "request",
            lambda r: r.url.startswith((address, "blob:", "data:")) or abroad.append(r.url),
        )
        page = context.new_page()
        page.goto(f"{address}/lite/{lite.APP}?path=the-algorithm.ipynb")
        output = page.locator(".jp-OutputArea-output", has_text="lacks")
        for patience in (60_000, 60_000, 120_000):  # keys pressed too early are lost
            page.locator(".jp-CodeCell").click()
            page.keyboard.press("Control+Enter")
            with suppress(TooLate):
                output.wait_for(timeout=patience)
                break
        printed = output.inner_text().split()
    assert printed == ["emscripten", version("instnorm"), "1", "lacks", "numpy"]
    assert not abroad
