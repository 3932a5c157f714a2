"""The exercises in the reader's browser, by JupyterLite: nothing to install.

    python -m instnorm_site.lite _build/html/lite

writes a site of static files: the notebooks, an editor for them, and our packages as wheels. As a
Sphinx extension this module does the same at the end of each build of the web book, and puts an
invitation on top of each hands-on page.

Python and NumPy for the browser, a distribution called Pyodide, are not in it: a page that runs a
notebook fetches them from Pyodide's own server. To serve them from the site as well, set the
variable JUPYTERLITE_PYODIDE_URL to the archive of the version named by `PYODIDE_VERSION`.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit
from zipfile import ZipFile

import nbformat
from docutils import nodes
from jupyterlite_pyodide_kernel.constants import PYODIDE_KERNEL_NPM_NAME, PYODIDE_KERNEL_PLUGIN_ID
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx import addnodes

PYODIDE = "JUPYTERLITE_PYODIDE_URL"
APP = "notebooks/index.html"


class Browser(NamedTuple):
    """What is special about a notebook in the browser."""

    needs: str = ""  # packages of Pyodide's, besides NumPy, that our own packages import
    lacks: str = ""  # a sentence on what does not run


IN_BROWSER = {
    "invariance": Browser(
        lacks="PyTorch does not run there: for the last part, which is not graded, you need "
        "Jupyter on your own machine."
    ),
    "depth": Browser(
        lacks="PyTorch does not run there: for the class to write with it, and the network that "
        "reads digits, you need Jupyter on your own machine."
    ),
    "limits": Browser(needs="scikit-image"),
    "style-transfer": Browser(
        needs="scikit-image",
        lacks="The network of 26 styles does not run there: for its features and its paintings you "
        "need Jupyter on your own machine. The checks all run.",
    ),
    "signals": Browser(
        lacks="The recordings are not there: to load and draw them you need Jupyter on your own "
        "machine. The checks all run.",
    ),
    "fast-kernels": Browser(
        lacks="There is no GPU there, and a single thread: the kernel of your own needs another "
        "machine, and the times you measure are those of your browser.",
    ),
}


# --- the site -----------------------------------------------------------------------------------


def build(root, out):
    """Write the JupyterLite site of the repository `root` into the folder `out`, made anew.

    Raises
    ------
    RuntimeError
        If one of the tools fails; with what it printed.
    """
    with TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "files").mkdir()
        for notebook in notebooks(root):
            nbformat.write(for_browser(notebook), work / "files" / notebook.name)
        (work / "pypi").mkdir()
        _our_wheel(root, work / "pypi")
        _wheel_of(
            "comm", work / "pypi"
        )  # the one thing the kernel needs that Pyodide does not have
        _write_settings(work)
        _run(work, "jupyterlite_core", "build", "--output-dir", "site", *_pyodide())
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(work / "site", out)


def notebooks(root):
    """The Paths of the students' notebooks."""
    return sorted(Path(root).glob("exercises/*/*.ipynb"))


def for_browser(path):
    """The notebook in `path` with two cells more in front: what to expect, and the installation."""
    notebook = nbformat.read(path, as_version=4)
    special = IN_BROWSER.get(path.stem, Browser())
    notebook.metadata.kernelspec = {
        "name": "python",
        "display_name": "Python",
        "language": "python",
    }
    notebook.cells[:0] = [
        new_markdown_cell(
            "**In your browser.** Run the next cell first, each time you come back; the first time "
            "takes a minute. What you write is kept in this browser alone: to have a copy, or to "
            "hand it in, choose *File → Download*. " + special.lacks,
            id="in-your-browser",
        ),
        new_code_cell(f"%pip install -q instnorm {special.needs}".rstrip(), id="install"),
    ]
    return notebook


def _our_wheel(root, folder):
    with TemporaryDirectory() as copy:  # building leaves things behind in the folder of the sources
        for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
            shutil.copy(Path(root) / name, copy)
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(Path(root) / "src", Path(copy) / "src", ignore=unwanted)
        options = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder)
        _run(copy, "pip", "wheel", "--quiet", *options, copy)


def _wheel_of(name, folder):
    """Pack an installed package of pure Python back into a wheel."""
    installed = distribution(name)
    with ZipFile(folder / f"{name}-{installed.version}-py3-none-any.whl", "w") as wheel:
        for file in installed.files:
            if file.suffix != ".pyc" and file.name not in ("INSTALLER", "REQUESTED"):
                wheel.write(file.locate(), file)


def _write_settings(folder):
    kernel = Path(sys.prefix, "share/jupyter/labextensions", PYODIDE_KERNEL_NPM_NAME)
    settings = {
        "contents": ["files"],
        "apps": ["notebooks", "tree"],
        "no_sourcemaps": True,
        "no_unused_shared_packages": True,
        # Of the extensions installed here, some want a server behind them.
        "ignore_sys_prefix": ["federated_extensions"],
        "federated_extensions": [str(kernel)],
    }
    (folder / "jupyter_lite_config.json").write_text(json.dumps({"LiteBuildConfig": settings}))
    at_run_time = {
        "appName": "Instance Normalization",
        "appUrl": "./tree",
        "faviconUrl": "./tree/favicon.ico",
        "litePluginSettings": {PYODIDE_KERNEL_PLUGIN_ID: {"disablePyPIFallback": True}},
    }
    (folder / "jupyter-lite.json").write_text(
        json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": at_run_time})
    )


def _pyodide():
    archive = os.environ.get(PYODIDE)
    if not archive:
        return ()
    # A path counts from where the reader of the message stands, not from the temporary folder.
    return ("--pyodide", archive if "://" in archive else Path(archive).resolve())


def _run(folder, *module):
    command = [sys.executable, "-m", *map(str, module)]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


# --- the pages ----------------------------------------------------------------------------------


def setup(app):
    app.connect("doctree-read", _invite, priority=400)  # before Sphinx collects what is downloaded
    app.connect("build-finished", _build_beside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _build_beside(app, error):
    if error is None and app.builder.name == "html":
        build(Path(app.srcdir).parent, Path(app.outdir) / "lite")


def _invite(app, doctree):
    """On top of a hands-on page: its notebook, here and elsewhere."""
    folder, _, name = app.env.docname.rpartition("/")
    notebook = f"exercises/{name}/{name}.ipynb"
    if folder != "hands-on" or not (Path(app.srcdir).parent / notebook).is_file():
        return
    file = nodes.inline("", "Download the notebook")
    ways = [
        _link("Try it in your browser", f"../lite/{APP}?path={name}.ipynb"),
        addnodes.download_reference(
            "", "", file, refdoc=app.env.docname, reftarget=f"../../{notebook}"
        ),
    ]
    server = "this site" if os.environ.get(PYODIDE) else "the server of the Pyodide project"
    note = (
        f"There is nothing to install: Python and NumPy come from {server}, once, and run in your "
        f"browser. {IN_BROWSER.get(name, Browser()).lacks}"
    ).strip()
    repository = app.config.html_theme_options.get("repository_url", "").rstrip("/")
    if repository:
        book = urlsplit(repository).path.strip("/")
        branch = app.config.html_theme_options.get("repository_branch", "main")
        blob = f"{book}/blob/{branch}/{notebook}"
        ways += [
            _link("Binder", f"https://mybinder.org/v2/gh/{book}/{branch}?labpath={notebook}"),
            _link("Colab", f"https://colab.research.google.com/github/{blob}"),
        ]
        note += (
            " Binder has no PyTorch. In Colab, install the book first: "
            "%pip install git+ and the address of its repository, in one word."
        )
    block = nodes.container(classes=["try-it"])
    block += nodes.bullet_list(
        "", *(nodes.list_item("", nodes.paragraph("", "", way)) for way in ways)
    )
    block += nodes.paragraph("", note)
    doctree.next_node(nodes.section).insert(1, block)


def _link(text, address):
    return nodes.reference("", text, refuri=address, internal=True)


if __name__ == "__main__":
    build(Path.cwd(), Path(sys.argv[1]).resolve())
