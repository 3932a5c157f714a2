"""From text sources to notebooks: `python -m instnorm_judge.assignments [--check]`.

An assignment is written as one text notebook, solutions/<name>/<name>.md (jupytext's MyST format).
From it come, in two steps,

    solutions/<name>/<name>.ipynb    what nbgrader reads; made when nbgrader_config.py is loaded
    exercises/<name>/<name>.ipynb    what students get; made by nbgrader, and committed

The command makes the second for all assignments, with a gradebook that is thrown away. With
--check it writes nothing, and fails if a committed notebook is not what its source gives.
"""

import argparse
import functools
import re
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat.v3 import MetadataValidatorV3
from nbgrader.utils import capture_log
from traitlets.config import PyFileConfigLoader

import instnorm
from instnorm_checks import exercise

CONFIG, SOLUTIONS, EXERCISES = "nbgrader_config.py", "solutions", "exercises"
BOOK = "_config.yml"
IMPORT = re.compile(r"^from instnorm_checks import .*$", re.M)


def text_sources(solutions):
    """The text notebooks of a solutions folder, in order of name."""
    return sorted(path for path in Path(solutions).glob("*/*.md") if path.stem == path.parent.name)


def make_source_notebooks(solutions):
    """Bring the .ipynb next to every text source up to date.

    Exits with a message rather than overwrite a notebook that somebody has edited by hand.
    """
    for text in text_sources(solutions):
        path, notebook = text.with_suffix(".ipynb"), source_notebook(text)
        if path.exists() and path.stat().st_mtime > text.stat().st_mtime:
            edited = nbformat.read(path, as_version=4)
            if [cell.source for cell in edited.cells] != [cell.source for cell in notebook.cells]:
                raise SystemExit(
                    f"{path} has been edited, but its source is {text.name}. Carry the changes "
                    "over to that file, or delete the notebook."
                )
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def source_notebook(text):
    """The notebook of a text source, the same byte for byte wherever it is made.

    In the text a cell says of itself no more than `nbgrader: {grade_id: ..., solution: true}`
    (or `grade: true`, or `locked: true`). The rest of nbgrader's metadata is filled in here; the
    points of a test cell are those of the exercise whose id is its grade_id.
    """
    notebook = jupytext.read(text, fmt="md:myst")
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for k, cell in enumerate(notebook.cells):
        about = cell.metadata.get("nbgrader")
        cell.metadata = {"nbgrader": _complete(about)} if about else {}
        cell.id = about["grade_id"] if about else f"cell-{k:02}"
        if cell.id == "imports":
            cell.source = _or_says_what_to_install(cell.source, text.parents[2])
    return notebook


def _or_says_what_to_install(source, root):
    """The first cell, which has to say what is missing where a student has nothing but it.

    It installs nothing by itself.
    """
    line = IMPORT.search(source)[0]
    folder, file = re.fullmatch(r"(.*/)(.*)", wheel_address(root)).groups()
    rest = re.sub(r"\n{4,}", "\n\n\n", IMPORT.sub("", source, count=1).strip())
    return f"""\
try:
    {line.strip()}
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "The checks are missing here. Run the next line in a cell of its "
        "own, and then this cell again.\\n\\n"
        '    %pip install "instnorm[exercises] @ '
        '{folder}'
        '{file}"\\n'
    ) from None

{rest}"""


@functools.cache
def wheel_address(root):
    """Where the site of the book serves the wheel of `instnorm`.

    `html: baseurl:` of the book's _config.yml says where that is. A course folder may do without
    that file: then it is the one beside the sources of `instnorm`.
    """
    places = [Path(root) / BOOK, Path(instnorm.__file__).parents[2] / BOOK]
    config = next((path for path in places if path.is_file()), None)
    if config is None:
        raise SystemExit(
            f"There is no {BOOK} in {root}, and none beside the sources of instnorm. Copy the "
            "book's here: the notebooks say from where to install instnorm, and it knows where."
        )
    site = yaml.safe_load(config.read_text(encoding="utf-8"))["html"]["baseurl"]
    version = metadata.version("instnorm").partition("+")[0]
    return f"{site.rstrip('/')}/_static/instnorm-{version}-py3-none-any.whl"


def _complete(about):
    grade, solution = about.get("grade", False), about.get("solution", False)
    complete = {
        "grade_id": about["grade_id"],
        "grade": grade,
        "solution": solution,
        "locked": about.get("locked", grade and not solution),
        "task": False,
        "schema_version": MetadataValidatorV3.schema_version,
    }
    if grade:
        complete["points"] = exercise(about["grade_id"]).points
    return complete


def release(root):
    """What nbgrader hands out for the assignments below `root`: relative path -> content.

    Everything happens in a temporary course with a gradebook of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        shutil.copy(root / CONFIG, course)
        shutil.copytree(
            root / SOLUTIONS, course / SOLUTIONS, ignore=shutil.ignore_patterns("*.ipynb", ".*")
        )
        config = PyFileConfigLoader(CONFIG, path=folder).load_config()
        config.CourseDirectory.root = folder
        for text in text_sources(course / SOLUTIONS):
            config.CourseDirectory.assignment_id = text.stem
            converter = GenerateAssignment(CourseDirectory(config=config), config=config)
            result = capture_log(converter)
            if not result["success"]:
                raise SystemExit(f"nbgrader could not release {text.stem}:\n{result['log']}")
        released = (path for path in (course / EXERCISES).rglob("*") if path.is_file())
        return {str(path.relative_to(course)): path.read_bytes() for path in sorted(released)}


def main(arguments=None):
    """Make the notebooks for students from the text sources in solutions/."""
    parser = argparse.ArgumentParser(
        prog="python -m instnorm_judge.assignments", description=main.__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail on drift")
    parser.add_argument("--root", type=Path, default=Path(), help=f"the folder of {CONFIG}")
    options = parser.parse_args(arguments)
    released = release(options.root)
    committed = {
        str(path.relative_to(options.root)): path.read_bytes()
        for path in (options.root / EXERCISES).rglob("*")
        if path.is_file() and ".ipynb_checkpoints" not in path.parts
    }
    drifted = sorted(
        path for path in {*released, *committed} if released.get(path) != committed.get(path)
    )
    for path in drifted:
        if options.check:
            print(f"{path} is not what {SOLUTIONS}/ gives; run `make exercises`", file=sys.stderr)
        elif path in released:
            (options.root / path).parent.mkdir(parents=True, exist_ok=True)
            (options.root / path).write_bytes(released[path])
            print(f"wrote {path}")
        else:
            (options.root / path).unlink()
            print(f"removed {path}, which has no source")
    return 1 if options.check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
