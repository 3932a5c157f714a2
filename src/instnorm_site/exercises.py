"""A Sphinx extension: each exercise can be done where it is read.

Below every exercise of a hands-on page is a place for the answer, which the modules in
``book/exercise`` turn into an editor. What they need is taken from the notebook that students are
given, and from the exercise's check, so that page, notebook and check can't drift apart. Python and
NumPy come from the site itself (`runtime`), our own packages as a wheel (`wheel`).
"""

import ast
import hashlib
import json
import os
import re
import shutil
import sys
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.util import logging

from instnorm_checks import EXERCISES

from . import bytecode, runtime, wheel
from .in_page import here

log = logging.getLogger(__name__)

#: Earlier ids of exercises, and the present ones: answers that readers have kept are moved.
RENAMED = {}

FOLDER, ALL = "hands-on", "hands-on/all-exercises"
IN_BROWSER = {"numpy", "instnorm", "instnorm_checks", "instnorm_lab"}
PACKED = ("array-api-strict",)  # what our packages import, beside NumPy, when an answer is checked
NAMES = {"torch": "PyTorch", "cupy": "a GPU"}
STATIC = Path(__file__).resolve().parents[2] / "book" / "exercise"


#: A hint in a notebook, and the line of a page where those of an exercise belong.
HINT = re.compile(r"<details><summary>(.*?)</summary>\s*(.*?)\s*</details>", re.S)
HINTS_HERE = re.compile(r"^% hints: (\S+)$", re.M)


def setup(app):
    app.add_config_value("python_cache", None, "")
    app.connect("config-inited", _configure, priority=700)
    app.connect("builder-inited", _bring_python)
    app.connect("source-read", _bring_hints)
    app.connect("doctree-read", _place, priority=400)  # before Sphinx collects what is downloaded
    app.connect("html-page-context", _load_host)
    app.connect("build-finished", _serve, priority=950)  # after the theme's files are slimmed
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# --- what the build knows -----------------------------------------------------------------------


def notebooks(root):
    """The Paths of the students' notebooks, by assignment."""
    return {path.stem: path for path in sorted(Path(root).glob("exercises/*/*.ipynb"))}


def described(path):
    """What a page needs of each exercise in a notebook: {id: ...}, in the notebook's order."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    about = [cell.metadata.get("nbgrader", {}) for cell in cells]
    ids = [each.get("grade_id") for each in about]
    found = {}
    for check, exercise_id in enumerate(ids):
        if exercise_id not in EXERCISES or f"{exercise_id}-answer" not in ids:
            continue
        answer = ids.index(f"{exercise_id}-answer")
        kept = [k for k, each in enumerate(about) if each.get("locked") and not each.get("grade")]
        asked = EXERCISES[exercise_id]
        found[exercise_id] = {
            "signature": asked.signature,
            "function": asked.function_name,
            "points": here(asked).points,
            "elsewhere": _timed_elsewhere(asked),
            "version": version(asked),
            "stub": cells[answer].source,
            "before": [cells[k].source for k in kept if k < answer],
            "after": [cells[k].source for k in kept if answer < k < check],
            "cases": _public_cases(here(asked)),
            "needs": needs(cells[answer].source),
        }
    return found


def hints(path):
    """The hints of each exercise in a notebook: {id: [(title, text), ...]}."""
    found, text = {}, ""
    for cell in nbformat.read(path, as_version=4).cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.cell_type == "markdown":
            text += f"{cell.source}\n\n"
        elif name.endswith("-answer"):
            found[name.removesuffix("-answer")] = HINT.findall(text)
            text = ""
    return found


def version(asked):
    """A hash of all that an answer is judged by: points earned under another one have lapsed."""
    parts = [asked.signature, [(each.name, each.points, each.says) for each in asked.aspects]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


def needs(source):
    """What an answer needs that is not in the browser: "" or, for example, "PyTorch"."""
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    lacking = imported - IN_BROWSER - set(sys.stdlib_module_names)
    return " and ".join(sorted(NAMES.get(name, name) for name in lacking))


def _timed_elsewhere(asked):
    timed = [each for each in asked.aspects if each.pace]
    if not timed:
        return ""
    return (
        "Here the values of your function are checked, and not how fast it is: a browser's clock "
        "is too coarse. The notebook measures it. There are no points for it."
    )


def _public_cases(asked):
    """The public cases to try a function on, each with a label that tells it from the others."""
    return [
        {
            "aspect": aspect.name,
            "k": k,
            "label": f"{_words(aspect.name)}: {_shapes(case)}",
        }
        for aspect in asked.aspects
        for k, case in enumerate(aspect.public)
    ]


def _words(name):
    return name.replace("-", " ")


def _shapes(case):
    def word(name, value):
        if hasattr(value, "shape"):
            return f"{name} {value.shape}"
        return f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value!r}"

    return ", ".join(word(name, value) for name, value in case.items())


# --- the pages ----------------------------------------------------------------------------------


def _configure(app, config):
    config.html_static_path.append(str(STATIC))


def _bring_python(app):
    """Fetch Python's files before the pages are written: these say so if there are none."""
    app.python_files, app.python_missing = None, ""
    if app.builder.format != "html":
        return
    cache = Path(app.config.python_cache or Path(app.srcdir).parent / "_build" / ".python")
    try:
        app.python_files = runtime.fetch(cache)
    except runtime.WrongBytes as error:
        raise ExtensionError(str(error)) from error
    except runtime.Missing as error:
        if os.environ.get("CI"):
            raise ExtensionError(f"Python for the browser could not be had: {error}") from error
        app.python_missing = str(error)
        return
    library = app.python_files / bytecode.LIBRARY
    numpy = app.python_files / runtime.packages()["numpy"]["file_name"]
    made = _compiled(app, [library, numpy], cache.with_name(f"{cache.name}-compiled"))
    app.python_served = {name: app.python_files / name for name in runtime.files()}
    app.python_served |= {path.name: path for path in made}


def _compiled(app, archives, folder):
    """Archives with bytecode in place of sources; as they are where that fails: slower to start."""
    try:
        return bytecode.compile_(app.python_files, archives, folder)
    except bytecode.Failed as error:
        if os.environ.get("CI"):
            raise ExtensionError(f"Python for the browser was not compiled: {error}") from error
        names = ", ".join(path.name for path in archives)
        log.info(f"SLOWER TO START IN A BROWSER: {names} could not be compiled. {error}")
        return archives


def _place(app, doctree):
    """On a hands-on page: ways to its notebook on top, and a place for each answer."""
    if app.env.docname == ALL:
        _progress(doctree)
    folder, _, name = app.env.docname.rpartition("/")
    notebook = notebooks(Path(app.srcdir).parent).get(name)
    if folder != FOLDER or notebook is None:
        return
    exercises = described(notebook)
    doctree.next_node(nodes.section).insert(1, _ways(app, name, notebook))
    for section in doctree.findall(nodes.section):
        for exercise_id in set(section["ids"]) & set(exercises):
            _insert_before_hints(section, _box(app, exercise_id, name, exercises[exercise_id]))


def _insert_before_hints(section, node):
    folded = (k for k, child in enumerate(section) if _is_folded(child))
    section.insert(next(folded, len(section)), node)


def _is_folded(node):
    return isinstance(node, nodes.Element) and node.get("design_component") == "dropdown"


def _box(app, exercise_id, assignment, about):
    """The element that becomes the editor; without JavaScript or Python it names other ways."""
    if about["needs"]:
        lacks = f"This one needs {about['needs']}, which does not run in a browser"
    elif app.python_files is None:
        lacks = "Python for the browser is not part of this copy of the book"
    else:
        attributes = {
            "id": exercise_id,
            "assignment": assignment,
            "points": f"{about['points']:g}",
            "version": about["version"],
        }
        data = " ".join(f'data-{name}="{escape(value)}"' for name, value in attributes.items())
        return nodes.raw(
            "",
            f'<div class="exercise" {data}><p class="xr-begin">To write your answer here, '
            "this page needs JavaScript. The notebook, on top, does not.</p></div>\n",
            format="html",
        )
    return nodes.raw(
        "",
        f'<div class="exercise"><p class="xr-begin">{lacks}: take the notebook, on top of this '
        "page.</p></div>\n",
        format="html",
    )


def _ways(app, name, notebook):
    """The block at the top of a page: what can be done here, and the notebook to download."""
    path = f"exercises/{name}/{notebook.name}"
    file = nodes.inline("", "Download the notebook")
    download = addnodes.download_reference(
        "", "", file, refdoc=app.env.docname, reftarget=f"../../{path}"
    )
    ways, note = [download], []
    repository = app.config.html_theme_options.get("repository_url", "").rstrip("/")
    if repository:
        book = urlsplit(repository).path.strip("/")
        branch = app.config.html_theme_options.get("repository_branch", "main")
        ways += [
            _link("Binder", f"https://mybinder.org/v2/gh/{book}/{branch}?labpath={path}"),
            _link("Colab", f"https://colab.research.google.com/github/{book}/blob/{branch}/{path}"),
        ]
        ours = f"{app.config.html_baseurl}_static/{quote(wheel.name(Path(app.srcdir).parent))}"
        said = "Binder has no PyTorch. In Colab, install the book first: "
        note = [nodes.Text(said), nodes.literal("", f"%pip install {ours}")]
    block = nodes.container(classes=["try-it"])
    if app.python_files is not None:
        block += nodes.paragraph(
            "",
            "Do the exercises here: under each is a place to write your answer and check it. "
            f"Python and NumPy then come from this site, once ({_megabytes(app)} MB), and run in "
            "your browser. What you write stays in it. Or take the notebook, and bring it back:",
        )
    block += nodes.bullet_list(
        "", *(nodes.list_item("", nodes.paragraph("", "", way)) for way in ways)
    )
    renamed = escape(json.dumps(RENAMED))
    block += nodes.raw(
        "",
        f'<div class="exercise-notebook" data-assignment="{escape(name)}" '
        f'data-notebook="../_static/{escape(notebook.name)}" data-renamed="{renamed}"></div>\n',
        format="html",
    )
    if note:
        block += nodes.paragraph("", "", *note)
    return block


def _megabytes(app):
    names = runtime.needed("numpy")
    return round(sum(app.python_served[name].stat().st_size for name in names) / 1e6)


def _link(text, address):
    return nodes.reference("", text, refuri=address, internal=True)


def _progress(doctree):
    box = '<div class="exercise-progress"></div>\n'
    doctree.next_node(nodes.section).insert(1, nodes.raw("", box, format="html"))


def _load_host(app, pagename, templatename, context, doctree):
    if doctree is not None and any(
        'class="exercise' in raw.astext() for raw in doctree.findall(nodes.raw)
    ):
        app.add_css_file("exercise.css")
        app.add_js_file("exercise-host.js", defer="defer")


def _bring_hints(app, docname, source):
    """Copy a notebook's hints to the lines of its page that are for them: a hint has one source."""
    folder, _, name = docname.rpartition("/")
    notebook = notebooks(Path(app.srcdir).parent).get(name)
    if folder == FOLDER and notebook is not None:
        app.env.note_dependency(str(notebook))
        source[0] = with_hints(source[0], hints(notebook))


def with_hints(page, known):
    """The text of a page with `known` hints in their places.

    Raises ExtensionError where an exercise has none.
    """

    def folded(match):
        if not known.get(match[1]):
            raise ExtensionError(f"the notebook has no hints for the exercise {match[1]!r}")
        blocks = (f":::{{dropdown}} {title}\n{text}\n:::" for title, text in known[match[1]])
        return "\n\n".join(blocks)

    return HINTS_HERE.sub(folded, page)


# --- what is served -----------------------------------------------------------------------------


def _serve(app, error):
    if error is not None or app.builder.format != "html":
        return
    root, static = Path(app.srcdir).parent, Path(app.outdir) / "_static"
    listed = []
    for assignment, path in notebooks(root).items():
        exercises = described(path)
        (static / path.name).write_bytes(path.read_bytes())
        _write(
            static / f"exercises-{assignment}.json",
            {"order": list(exercises), "exercises": exercises},
        )
        listed += [
            {"id": i, "assignment": assignment, "points": e["points"], "version": e["version"]}
            for i, e in exercises.items()
            if not e["needs"]
        ]
    _write(static / "exercises.json", {"exercises": listed, "renamed": RENAMED})
    ours = wheel.build(root, Path(app.outdir).parent / ".wheel")
    for old in static.glob("*.whl"):
        old.unlink()
    (static / ours.name).write_bytes(ours.read_bytes())
    wheel.with_plain_name(ours, static)  # which the first cell of each notebook asks for
    if app.python_files is None:
        _write(static / "python.json", {"base": None})
        log.info("")
        log.info("PYTHON FOR THE BROWSER COULD NOT BE HAD, so no exercise can be done on its page.")
        log.info(app.python_missing)
        return
    address = f"python/{runtime.address(app.python_served)}"
    for old in {*static.glob("python/*")} - {static / address}:
        shutil.rmtree(old)
    runtime.install(app.python_served, static / address)
    packed = Path(app.outdir).parent / ".wheel" / "packed"
    packed.mkdir(parents=True, exist_ok=True)
    sources = [ours, *(wheel.pack(name, packed) for name in PACKED)]
    wheels = []
    for each in _compiled(app, sources, packed.with_name("compiled")):
        wheels.append(static / wheel.with_hash(each))
        wheels[-1].write_bytes(each.read_bytes())
    sizes = {name: (static / address / name).stat().st_size for name in runtime.files()}
    sizes |= {each.name: each.stat().st_size for each in wheels}
    _write(
        static / "python.json",
        {
            "base": f"{address}/",
            "wheels": [each.name for each in wheels],
            "core": list(runtime.CORE),
            "needs": {
                name: [file for file in runtime.needed(name) if file not in runtime.CORE]
                for name in runtime.packages()
            },
            "sizes": sizes,
        },
    )


def _write(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), "utf-8")
