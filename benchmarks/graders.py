"""One bank, three graders: stock nbgrader, Otter and `instnorm-judge` on the same notebooks.

    python -m benchmarks.graders

The bank is the assignment "the-algorithm" handed in by those who are right, by those whose mistake
has a name, and by those who attack: the scoring attacks of tests/instnorm_judge, each of which
returns zeros and wants points for them. The tests are the same for all three, calls of
`instnorm_checks`, as an instructor would write them for each.

Otter wants other versions of what we use, so it has an environment of its own, in _build/otter. It
is made if it is not there, which needs a network. Without Otter the other two are compared, and the
result says so.

The result goes to benchmarks/results/graders.json; a page of the book reads it.
"""

import argparse
import ast
import contextlib
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
import warnings
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning

from instnorm_checks import EXERCISES, SEED
from instnorm_judge import sandbox

from .judge import ASSIGNMENT, CASES, ROOT, STOCK, make_course, run
from .surroundings import surroundings

sys.path[:0] = [str(ROOT / "tests" / part) for part in ("instnorm_judge", "instnorm_checks")]

RESULT = Path(__file__).parent / "results" / "graders.json"
OTTER = ROOT / "_build" / "otter"
NEEDS = ("otter-grader==7.0.0", "ipykernel", "matplotlib", "numpy>=2,<3")
GRADERS = "stock nbgrader", "Otter", "instnorm-judge"
LIMITS = "\nc.Execute.timeout = 10\n"
PATIENCE = 120  # seconds for Otter, which has no limit of its own here
LOOPS, VECTORISED, CONTRAST = "instance-norm-loops", "instance-norm", "contrast-scores"
FUNCTIONS = {name: name.replace("-", "_") for name in (LOOPS, VECTORISED, CONTRAST)}

NORM = """\
def {f}(x, {affine}eps=1e-5):
    m = x.mean({axes}, keepdims=True)
    v = x.var({axes}, keepdims=True{ddof})
    y = {y}
    return {out}
"""
SCORES = """\
def contrast_scores(s, c, n, eps=1e-5):
    def normed(v):
        return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True{ddof}) + eps)

    x = {x}
    raw, norm = {scores}
    return {out}
"""
RIGHT_SCORES = "x @ s / len(s), normed(x) @ normed(s) / len(s)"
# Name of a misconception -> what the function differs in from a right one.
NORMS = {
    "divides-by-m-minus-1": {"ddof": ", ddof=1"},
    "eps-outside-the-root": {"y": "(x - m) / (np.sqrt(v) + eps)"},
    "forgets-eps": {"y": "(x - m) / np.sqrt(v)"},
    "ignores-the-eps-argument": {"y": "(x - m) / np.sqrt(v + 1e-5)"},
    "divides-by-the-variance": {"y": "(x - m) / (v + eps)"},
    "centres-only": {"y": "x - m"},
    "scales-only": {"y": "x / np.sqrt(v + eps)"},
    "statistics-of-the-batch": {"axes": "(0, 2, 3)"},
    "statistics-of-the-image": {"axes": "(1, 2, 3)"},
    "statistics-of-everything": {"axes": "None"},
    "one-row-at-a-time": {"axes": "3"},
    "one-column-at-a-time": {"axes": "2"},
}
AFFINE = {
    "forgets-beta": {"out": "g * y"},
    "forgets-gamma": {"out": "y + b"},
    "forgets-gamma-and-beta": {"out": "y"},
    "swaps-gamma-and-beta": {"out": "b * y + g"},
    "shifts-before-scaling": {"out": "g * (y + b)"},
}
CONTRASTS = {
    "noise-removed": {"scores": "x @ s / len(s), normed(c[:, None] * s) @ normed(s) / len(s)"},
    "sign-lost": {"scores": "x @ s / len(s), abs(normed(x) @ normed(s) / len(s))"},
    "pattern-not-normalised": {"scores": "x @ s / len(s), normed(x) @ s / len(s)"},
    "divides-by-m-minus-1": {"ddof": ", ddof=1"},
    "sums-instead-of-means": {"scores": "x @ s, normed(x) @ normed(s)"},
    "swaps-the-scores": {"out": "norm, raw"},
}


def norm(exercise, **change):
    parts = {"axes": "(2, 3)", "ddof": "", "y": "(x - m) / np.sqrt(v + eps)", "out": "y"}
    affine = exercise == VECTORISED
    if affine:
        parts["out"] = "g * y + b"
    parts |= change
    if affine:
        parts["out"] = re.sub(
            r"\b[gb]\b",
            lambda found: {"g": "gamma", "b": "beta"}[found[0]] + "[:, None, None]",
            parts["out"],
        )
    return NORM.format(f=FUNCTIONS[exercise], affine="gamma, beta, " if affine else "", **parts)


def scores(**change):
    parts = {"ddof": "", "x": "np.outer(c, s) + n", "scores": RIGHT_SCORES, "out": "raw, norm"}
    return SCORES.format(**parts | change)


def wrong_answers():
    """[{exercise: (misconception, source)}]: one of each in a notebook, as long as there are."""
    each = {
        LOOPS: [(name, norm(LOOPS, **change)) for name, change in NORMS.items()],
        VECTORISED: [
            (name, norm(VECTORISED, **change)) for name, change in (NORMS | AFFINE).items()
        ],
        CONTRAST: [(name, scores(**change)) for name, change in CONTRASTS.items()],
    }
    most = max(map(len, each.values()))
    return [{name: all_[k] for name, all_ in each.items() if k < len(all_)} for k in range(most)]


def right_answers():
    """[{exercise: source}] of answers that were written independently of ours, without PyTorch."""
    import slips

    found = {}
    for name in FUNCTIONS:
        for source in slips.sources(EXERCISES[name])[1:]:
            text = "\n".join(map(ast.unparse, source.definitions))
            if "torch" not in text and "F." not in text:
                bring = "\n".join(
                    f"import {module}" if module != "Fraction" else "from fractions import Fraction"
                    for module in ("Fraction",)
                    if module in text
                )
                text = f"{bring}\n{text}\n{FUNCTIONS[name]} = {source.function_name}"
                found.setdefault(name, []).append(text)
    most = max(map(len, found.values()))
    return [{name: all_[k] for name, all_ in found.items() if k < len(all_)} for k in range(most)]


def bank(release, solved):
    """Name of a student -> notebook. `solved` is the notebook with our own solutions."""
    from attacks import ZEROS, scoring
    from test_judge_attacks import attacked

    handed_in = {}
    for k, answers in enumerate(wrong_answers()):
        sources = {name: source for name, (_, source) in answers.items()}
        handed_in[f"wrong-{k:02}"] = answered(solved, sources)
    for k, sources in enumerate(right_answers()):
        handed_in[f"right-{k:02}"] = answered(solved, sources)
    handed_in["right-ours"] = copy.deepcopy(solved)
    for name, attack in scoring.ATTACKS.items():
        handed_in[f"attack-{name}"] = attacked(release, attack, {})
    assert set(ZEROS) == set(FUNCTIONS)
    return handed_in


def answered(solved, sources):
    notebook = copy.deepcopy(solved)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removesuffix("-answer")
        if name in sources and cell.metadata.nbgrader.solution:
            cell.source = sources[name]
    return notebook


# --- The graders: points by student and exercise, and what was said by student --------------------


def by_nbgrader(course, command, *arguments):
    # Its exit status is not 0 where an attack has stopped it, or waits for a person.
    with contextlib.suppress(SystemExit):
        run(course, command, *arguments)
    return what_stands_in(course)


def what_stands_in(course):
    points, said = {}, {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for entry in gradebook.assignment_submissions(ASSIGNMENT):
            points[entry.student_id] = {
                grade.name: grade.auto_score or 0.0
                for notebook in entry.notebooks
                for grade in notebook.grades
            }
    for path in (course / "autograded").glob(f"*/{ASSIGNMENT}/*.ipynb"):
        cells = nbformat.read(path, 4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        said[path.parts[-3]] = "".join(
            output.get("text", "") + output.get("data", {}).get("text/plain", "")
            for output in outputs
        )
    return points, said


OTTER_TEST = """\
from otter.test_files import test_case

OK_FORMAT = False
name = "{name}"
points = {points}


@test_case(points={points}, hidden=False)
def test_it({function}):
    from instnorm_checks import grade, grading_seed, report

    mark = grade("{name}", {function})
    assert float(mark) == {points}, report("{name}", {function}, seed=grading_seed()).text
"""


def by_otter(folder, handed_in):
    (folder / "tests").mkdir(parents=True)
    for name, function in FUNCTIONS.items():
        test = OTTER_TEST.format(name=name, function=function, points=EXERCISES[name].points)
        (folder / "tests" / f"{name}.py").write_text(test)
    (folder / "otter_config.json").write_text("{}")
    generate = ["generate", "-t", "tests", "-o", "autograder.zip", "-c", "otter_config.json"]
    otter(folder, *generate, "--no-requirements", "--no-environment")
    points, said = {}, {}
    for student, notebook in handed_in.items():
        place = folder / student
        place.mkdir()
        nbformat.write(notebook, place / f"{ASSIGNMENT}.ipynb")
        otter(place, "run", "-a", "../autograder.zip", "-o", ".", f"{ASSIGNMENT}.ipynb")
        try:
            tests = json.loads((place / "results.json").read_text())["tests"]
        except (OSError, ValueError, KeyError):
            tests = []  # it has given up on the submission
        points[student] = {each["name"]: each.get("score") or 0.0 for each in tests}
        said[student] = "".join(each.get("output", "") for each in tests)
    return points, said


def otter(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), SEED: CASES}
    try:
        return subprocess.run(
            [OTTER / "bin" / "otter", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None


def has_otter():
    """Whether there is an Otter, made if need be; and if not, why."""
    if not (OTTER / "bin" / "otter").exists():
        venv.create(OTTER, with_pip=True)
        install = [OTTER / "bin" / "python", "-m", "pip", "install", "--quiet", *NEEDS]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            return False, done.stderr.strip().splitlines()[-1]
    return True, ""


# --- What came of it ------------------------------------------------------------------------------


def plain(text):
    return re.sub(r"\s+", " ", text)


def counted(points, said):
    """A line of the table."""
    most = {name: EXERCISES[name].points for name in FUNCTIONS}
    says = {(e, m.name): m.says for e in FUNCTIONS for m in EXERCISES[e].misconceptions}
    rejected, named, wrong, harmed, right, scored = 0, 0, 0, [], 0, []
    for k, answers in enumerate(wrong_answers()):
        student = f"wrong-{k:02}"
        if student not in points:
            continue
        for exercise, (name, _) in answers.items():
            wrong += 1
            rejected += points.get(student, {}).get(exercise, 0.0) < most[exercise]
            named += plain(says[exercise, name])[:60] in plain(said.get(student, ""))
    for student in sorted(each for each in points if each.startswith("right-")):
        for exercise in most:
            right += 1
            if points[student].get(exercise, 0.0) < most[exercise]:
                harmed.append(f"{student}: {exercise}")
    for student in sorted(each for each in points if each.startswith("attack-")):
        if any(each > 0 for each in points[student].values()):
            scored.append(student.removeprefix("attack-"))
    return {
        "wrong answers": wrong,
        "rejected": rejected,
        "named": named,
        "right answers": right,
        "harmed": harmed,
        "attacks": sum(each.startswith("attack-") for each in points),
        "attacks that scored": scored,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument(
        "--only",
        choices=GRADERS,
        nargs="+",
        default=GRADERS,
        help="what the file says of others stays",
    )
    options = parser.parse_args()
    sandbox.require()
    warnings.filterwarnings("ignore", category=SAWarning)  # from inside nbgrader's gradebook
    there, why_not = has_otter() if "Otter" in options.only else (True, "")
    whole = set(options.only) == set(GRADERS) or not options.out.exists()
    before = {} if whole else json.loads(options.out.read_text())
    found = before.get("graders", {})
    with tempfile.TemporaryDirectory(prefix="graders-bench-") as home:
        home = Path(home)
        courses = {name: home / name for name in ("stock nbgrader", "instnorm-judge")}
        for name, course in courses.items():
            make_course(course, ASSIGNMENT, 1)
            release = nbformat.read(course / f"exercises/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", 4)
            first = course / f"submitted/student-0000/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
            handed_in = bank(release, nbformat.read(first, 4))
            first.unlink()
            first.parent.rmdir()
            first.parent.parent.rmdir()
            for student, notebook in handed_in.items():
                path = course / f"submitted/{student}/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
                path.parent.mkdir(parents=True)
                path.write_text(nbformat.v4.writes_json(notebook), encoding="utf-8")
            config = course / "nbgrader_config.py"
            config.write_text((STOCK if name == "stock nbgrader" else config.read_text()) + LIMITS)
        print(f"{len(handed_in)} notebooks", flush=True)
        if "stock nbgrader" in options.only:
            graded = by_nbgrader(courses["stock nbgrader"], "nbgrader", "autograde", ASSIGNMENT)
            found["stock nbgrader"] = counted(*graded)
        if "instnorm-judge" in options.only:
            command = "instnorm-judge", "autograde", ASSIGNMENT
            found["instnorm-judge"] = counted(*by_nbgrader(courses["instnorm-judge"], *command))
        if "Otter" in options.only and there:
            found["Otter"] = counted(*by_otter(home / "otter", handed_in))
    report = report_on(found, len(handed_in), why_not)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    print(f"Written to {options.out}")


def report_on(found, notebooks, why_not=""):
    return {
        **surroundings("benchmarks.graders"),
        "assignment": ASSIGNMENT,
        "notebooks": notebooks,
        "versions of graders": {
            "nbgrader": version("nbgrader"),
            **({"otter-grader": NEEDS[0].partition("==")[2]} if "Otter" in found else {}),
        },
        "graders": {name: found[name] for name in GRADERS if name in found},
        "not run": {
            name: why_not or "it has not been its turn yet" for name in GRADERS if name not in found
        },
    }


def version(package):
    from importlib.metadata import version

    return version(package)


if __name__ == "__main__":
    main()
