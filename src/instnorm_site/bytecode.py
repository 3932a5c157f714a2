"""Python's library and our packages, compiled ahead: a reader's browser need not do it each time.

What a browser starts with comes as sources, and compiling them took it longer than all the rest.
So the build does that once, with the very Python that is served: it runs in the Node that
playwright brings. The bytecode belongs to that Python to the last byte, whichever one builds the
book.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import runtime
from .node import playwright_node
from .runtime import sha256

SCRIPT = Path(__file__).with_name("bytecode.mjs")
LIBRARY = "python_stdlib.zip"
PACKAGES = "/lib/python3.12/site-packages/"
IN_LIBRARY = "/lib/python312.zip/"
#: What the browser does not import: the judge, and what makes pages.
NOT_THERE = r"instnorm_judge/|instnorm_site/(?!__init__\.py|in_page\.py)"
PATIENCE = 600  # seconds; the longest takes some 15 where nothing else is done


class Failed(Exception):
    """Nothing could be compiled; the message says why."""


def compile_(engine, archives, folder):
    """Compile the modules in `archives`, and write each archive anew into `folder`.

    Bytecode stands in the place of the source, as in the distribution that Pyodide's makers call
    "pyc". A traceback has the numbers of the lines, and not what is in them.

    Parameters
    ----------
    engine : Path
        The folder with the files of `runtime.CORE`, verified.
    archives : list of Path
        Python's library, and wheels.
    folder : Path
        Holds nothing else. What was compiled earlier of the same bytes is taken again.

    Returns
    -------
    list of Path, in the order of `archives`, whose names they have

    Raises
    ------
    Failed
        If Node is not there, or does not come to its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {path: folder / path.name for path in archives}
    for other in {*folder.iterdir()} - {*found.values(), *map(_note, found.values())}:
        other.unlink()
    fresh = {path: _hash_of_making(engine, path) for path in archives}
    old = [path for path in archives if _made(found[path]) != fresh[path]]
    if old:
        with tempfile.TemporaryDirectory() as work:
            _run(engine, old, Path(work))
            for path in old:
                made = Path(work) / "out" / path.name
                about = {"from": fresh[path], "sha256": sha256(made)}
                _note(found[path]).unlink(missing_ok=True)
                found[path].unlink(missing_ok=True)  # the site may have a link to it
                found[path].write_bytes(made.read_bytes())
                _note(found[path]).write_text(json.dumps(about), "utf-8")  # last: then it is whole
    return [found[path] for path in archives]


def _run(engine, archives, work):
    # Node finds beside the script what that imports, and "ws", which is there for servers.
    for name in runtime.CORE:
        shutil.copyfile(engine / name, work / name)
    shutil.copyfile(runtime.LOCK, work / runtime.LOCK.name)
    (work / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    (work / "node_modules" / "ws").mkdir(parents=True)
    (work / "node_modules" / "ws" / "index.js").write_text("module.exports = {};\n")
    (work / "out").mkdir()
    tasks = [
        {
            "archive": str(path.resolve()),
            "out": str(work / "out" / path.name),
            "where": IN_LIBRARY if path.name == LIBRARY else PACKAGES,
        }
        for path in archives
    ]
    (work / "tasks.json").write_text(json.dumps({"tasks": tasks, "away": NOT_THERE}), "utf-8")
    try:
        done = subprocess.run(
            [playwright_node(), SCRIPT.name],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"Node: {error}") from error
    if done.returncode:
        raise Failed(f"Node: {(done.stderr.strip() or done.stdout.strip())[-2000:]}")


def _hash_of_making(engine, path):
    """A hash of all that the bytecode depends on."""
    total = hashlib.sha256(Path(__file__).read_bytes() + SCRIPT.read_bytes())
    for each in (*(engine / name for name in runtime.CORE), path):
        total.update(sha256(each).encode())
    return total.hexdigest()


def _note(path):
    return path.with_name(f"{path.name}.json")


def _made(path):
    """What a compiled archive was made from, or None if it is not there or not whole."""
    try:
        about = json.loads(_note(path).read_text("utf-8"))
        whole = sha256(path) == about["sha256"]
    except (OSError, ValueError, KeyError):
        return None
    return about["from"] if whole else None
