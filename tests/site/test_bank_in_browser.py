"""Marks in the browser are those of CPython: points and names, for right answers and wrong ones.

Each answer takes the way of a reader's: as source, through the worker of the page. A sample is an
ordinary test; `make proof` takes the whole bank.
"""

import ast
import json
from pathlib import Path

import pytest

from instnorm_checks import EXERCISES
from instnorm_judge.assignments import source_notebook
from instnorm_site import exercises, in_page

pytestmark = [pytest.mark.book, pytest.mark.whole_browser]
ROOT = Path(__file__).resolve().parents[2]
RIGHT = ROOT / "tests" / "instnorm_checks" / "right_answers"
ABOUT = {
    name: {i: each for i, each in exercises.described(path).items() if not each["needs"]}
    for name, path in exercises.notebooks(ROOT).items()
}

ASK = """async (requests) => {
  const { python } = await import("../_static/python.js");
  await python.start();
  const answers = [];
  for (const request of requests) {
    const start = performance.now();
    let answer;
    try {
      answer = await python.ask(request, { seconds: 120 });
    } catch (error) {
      answer = { kind: error.kind ?? "error", text: error.message };
    }
    const { kind, points, of, names, text } = answer;
    answers.push({ kind, points, of, names, text, ms: performance.now() - start });
  }
  return answers;
}"""


@pytest.fixture(scope="module")
def in_browser(browser, site, of_these_sources):
    """Answers of the page's own Python to a list of requests; nothing is asked of other hosts."""
    page = browser.new_page(service_workers="block")
    abroad = []
    own = (f"{site}/", "data:", "blob:")
    page.on("request", lambda request: request.url.startswith(own) or abroad.append(request.url))
    page.goto(f"{site}/hands-on/the-algorithm.html")
    yield lambda requests: page.evaluate(ASK, requests)
    assert abroad == []
    page.close()


def request(exercise_id, about, source, earlier=()):
    return {
        "do": "check", "exercise_id": exercise_id, "before": about["before"],
        "earlier": list(earlier), "source": source, "after": about["after"],
    }  # fmt: skip


def as_answer(exercise_id, expression):
    """Source that makes something of the checks' own the reader's answer."""
    name = EXERCISES[exercise_id].function_name
    lines = f"from instnorm_checks import exercise\n{name} = exercise({exercise_id!r})"
    return f"{lines}.{expression}\n"


def wrong_answers(exercise_id):
    for each in EXERCISES[exercise_id].misconceptions:
        if each.speeds:  # right, and too slow: which is not told here
            continue
        yield each.name, as_answer(exercise_id, f"misconception({each.name!r}).implementation")


def solutions(assignment):
    """The solution of each exercise, in the order of the notebook."""
    cells = source_notebook(ROOT / f"solutions/{assignment}/{assignment}.md").cells
    named = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in cells}
    return {i: named[f"{i}-answer"] for i in ABOUT[assignment]}


def right_answers(assignment, exercise_id):
    """The reference, the solution, and those independent answers that do without PyTorch."""
    if not ABOUT[assignment][exercise_id]["after"]:  # else it has to be written for what that asks
        yield "reference", as_answer(exercise_id, "reference")
    yield "solution", solutions(assignment)[exercise_id]
    path = RIGHT / f"{assignment.replace('-', '_')}.py"
    body = ast.parse(path.read_text()).body
    away = {"torch", "F", *_not_here(body)}
    kept = [each for each in body if not _names(each) & away and not _is_table(each)]
    functions = {each.name for each in kept if isinstance(each, ast.FunctionDef)}
    functions = {name for name in functions if not _reaches_torch(name, path, functions)}
    text = ast.unparse(ast.Module(kept, []))
    for name in _table(path).get(exercise_id, ()):
        if name in functions:
            yield name, f"{text}\n{EXERCISES[exercise_id].function_name} = {name}\n"


def _not_here(body):
    """Names that a module of right answers takes from its neighbours, or from SciPy."""
    froms = [each for each in body if isinstance(each, ast.ImportFrom)]
    away = [each for each in froms if each.level or each.module.startswith("scipy")]
    return {alias.asname or alias.name for each in away for alias in each.names} | {"scipy"}


def _names(node):
    used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    imports = [each for each in ast.walk(node) if isinstance(each, ast.Import | ast.ImportFrom)]
    return used | {(a.asname or a.name).partition(".")[0] for each in imports for a in each.names}


def _is_table(node):
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "RIGHT"


def _table(path):
    """The names of the right answers of each exercise, from the last lines of their module."""
    (table,) = [each for each in ast.parse(path.read_text()).body if _is_table(each)]
    return {
        key.value: [each.id for each in value.elts if isinstance(each, ast.Name)]
        for key, value in zip(table.value.keys, table.value.values, strict=True)
    }


def _reaches_torch(name, path, known):
    """Whether a function uses another function of its module that was left out."""
    defined = {
        each.name: each
        for each in ast.parse(path.read_text()).body
        if isinstance(each, ast.FunctionDef | ast.ClassDef)
    }
    seen, open_ = set(), [name]
    while open_:
        each = open_.pop()
        if each in seen or each not in defined:
            continue
        if each not in known:
            return True
        seen.add(each)
        open_ += _names(defined[each])
    return False


def here(given):
    """What CPython says to the same request."""
    return json.loads(in_page.handle(json.dumps(given)))


def verdict(answer):
    return answer["kind"], answer.get("points"), answer.get("of"), answer.get("names")


def compare(in_browser, cases):
    """Cases: (label, request). Every verdict of the browser is CPython's; returns the browser's."""
    answers = in_browser([given for _, given in cases])
    apart = [
        f"{label}: {verdict(answer)} in the browser, {verdict(ours)} here\n{answer['text']}"
        for (label, given), answer in zip(cases, answers, strict=True)
        if verdict(answer) != verdict(ours := here(given))
    ]
    if apart:
        pytest.fail(f"{len(apart)} of {len(cases)} verdicts differ\n\n" + "\n\n".join(apart))
    return dict(zip((label for label, _ in cases), answers, strict=True))


def bank(assignment, some=None):
    """All cases of an assignment, or of each exercise the stub and `some` others."""
    for exercise_id, about in ABOUT[assignment].items():
        yield f"{exercise_id}: stub", request(exercise_id, about, about["stub"])
        right, wrong = right_answers(assignment, exercise_id), wrong_answers(exercise_id)
        ids = [*ABOUT[assignment]]
        earlier = [*solutions(assignment).values()][: ids.index(exercise_id)]
        for name, source in [*right][:some]:
            yield f"{exercise_id}: right: {name}", request(exercise_id, about, source, earlier)
        for name, source in [*wrong][:some]:
            yield f"{exercise_id}: wrong: {name}", request(exercise_id, about, source)


def assert_as_it_should_be(answers):
    for label, answer in answers.items():
        assert answer["kind"] == "report", (label, answer["text"])
        kind = label.split(": ")[1]
        if kind == "stub":
            assert answer["points"] == 0, label
        elif kind == "right":
            assert answer["points"] == answer["of"], (label, answer["text"])
        else:
            assert answer["points"] < answer["of"], (label, answer["text"])


def test_of_each_assignment_a_sample_has_the_marks_of_cpython(in_browser):
    cases = [case for name in ABOUT for case in [*bank(name, some=1)][:3]]
    assert len(cases) == 3 * len(ABOUT)
    assert_as_it_should_be(compare(in_browser, cases))


@pytest.mark.proof
@pytest.mark.parametrize("assignment", ABOUT)
def test_whole_bank_has_the_marks_of_cpython(in_browser, assignment):
    cases = [*bank(assignment)]
    answers = compare(in_browser, cases)
    assert_as_it_should_be(answers)
    seconds = sorted(answer["ms"] / 1000 for answer in answers.values())
    print(f"{assignment}: {len(cases)} verdicts equal, {seconds[len(cases) // 2]:.3f} s a check")


@pytest.mark.parametrize("assignment", ABOUT)
def test_each_exercise_has_three_right_answers_for_the_browser(assignment):
    for exercise_id in ABOUT[assignment]:
        assert len([*right_answers(assignment, exercise_id)]) >= 3, exercise_id


def test_no_exercise_is_left_out_but_those_that_say_why():
    assert set(EXERCISES) - {i for each in ABOUT.values() for i in each} == {"in-function"}
