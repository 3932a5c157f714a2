"""The calls of a test travel together, and nothing comes of it but speed."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from tiers import late

from instnorm_checks import EXERCISES, MIME
from instnorm_judge import execute, sandbox
from instnorm_judge.provisioner import BoundedSession

pytestmark = [pytest.mark.alone]
try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark += [pytest.mark.skip(f"NOTHING ABOUT CALLS IS TESTED HERE. {refusal}")]

EXERCISE = "instance-norm"
ASPECT = EXERCISES[EXERCISE].aspects[0]
TEST = f"from instnorm_checks import grade\ngrade('{EXERCISE}', instance_norm)"
STOPPED = {"ename": "CellTimeoutError", "evalue": "", "traceback": ["stopped"]}
RIGHT = """
import time
import numpy as np
calls = 0
def right(x, gamma, beta, eps=1e-5):
    m, v = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    return gamma[:, None, None] * (x - m) / np.sqrt(v + eps) + beta[:, None, None]
"""
ANSWERS = {
    "right": "instance_norm = right",
    "another each time": """
def instance_norm(x, gamma, beta, eps=1e-5):
    global calls
    calls += 1
    print("call", calls)
    if calls == 4:
        x += 1
    if calls == 6:
        raise ValueError("the sixth")
    return right(x, gamma, beta, eps) if calls % 5 else calls * x
""",
    "large": "instance_norm = lambda *each: [right(*each)] * 20",
    "not for the wire": "instance_norm = lambda *each: np.zeros(2**24)",
}


def executed(answer, timeout=20):
    """(outputs of the test, outputs of a cell that is run afterwards, messages sent)."""
    about = {"grade": True, "solution": False, "points": EXERCISES[EXERCISE].points}
    sources = (RIGHT, answer)
    cells = [
        *map(new_code_cell, sources),
        new_code_cell(TEST, metadata={"nbgrader": {**about, "grade_id": EXERCISE}}),
        new_code_cell("print(calls)"),
        new_code_cell("1", metadata={"nbgrader": {**about, "grade_id": "last"}}),
    ]
    sent, ordinary = [], BoundedSession.send

    def send(*arguments, **options):
        sent.append(1)
        return ordinary(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BoundedSession, "send", send)
        grader = execute.Execute(timeout=timeout, iopub_timeout=2, error_on_timeout=STOPPED)
        resources = {"metadata": {"path": "."}, "nbgrader": {}}
        done = grader.preprocess(new_notebook(cells=cells), resources)[0]
    return done.cells[2].outputs, done.cells[3].outputs, len(sent)


@pytest.fixture
def one_by_one(monkeypatch):
    """Call it, and from then on nothing is known of the calls to come."""
    return lambda: monkeypatch.setattr(execute, "_coming", lambda cell: [])


@pytest.mark.parametrize("name", late(ANSWERS, ["another each time"]))
def test_together_or_one_by_one_the_report_is_the_same(name, one_by_one, monkeypatch):
    """Five seconds each."""
    monkeypatch.setenv("INSTNORM_GRADING_SEED", "20160727")
    *together, few = executed(ANSWERS[name])
    one_by_one()
    *alone, many = executed(ANSWERS[name])
    assert together == alone
    [report] = [each for each in together[0] if MIME in each.get("data", {})]
    assert (report.data[MIME]["points"] == EXERCISES[EXERCISE].points) == (name == "right")
    assert many - few > 10


def test_what_takes_its_time_is_stopped_where_it_is(one_by_one, monkeypatch):
    """Even an answer that will not be interrupted: the calls after it are never made. Takes 4 s."""
    monkeypatch.setenv("INSTNORM_GRADING_SEED", "20160727")
    slow = """
def instance_norm(x, gamma, beta, eps=1e-5):
    global calls
    calls += 1
    for _ in range(4):
        try: time.sleep(0.1)
        except BaseException: pass
    return right(x, gamma, beta, eps)
"""
    (stopped,), (afterwards,), _ = executed(slow, timeout=1)
    assert stopped.ename == "CellTimeoutError"
    assert 2 <= int(afterwards.text) <= 4


@pytest.mark.parametrize(
    "unsandboxed",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["sandboxed", "unsandboxed"],
)
def test_a_notebook_has_its_public_cases(unsandboxed):
    """With walls and without. Takes a second."""
    source = f"""
from instnorm_checks import public_case
case = public_case({EXERCISE!r}, {ASPECT.name!r})
print(*case)
float(sum(case["x"].ravel()))
"""
    about = {"grade": True, "solution": False, "grade_id": EXERCISE, "points": 1}
    cells = [
        new_code_cell(source),
        new_code_cell("public_case('what', 'ever')"),
        new_code_cell("1", metadata={"nbgrader": about}),
    ]
    resources = {"metadata": {"path": "."}, "nbgrader": {}}
    grader = execute.Execute(timeout=20, iopub_timeout=2, unsandboxed=unsandboxed)
    done = grader.preprocess(new_notebook(cells=cells), resources)[0]
    printed, total = done.cells[0].outputs
    case = ASPECT.public[0]
    assert printed.text == " ".join(case) + "\n"
    assert float(total.data["text/plain"]) == float(sum(case["x"].ravel()))
    [refused] = done.cells[1].outputs
    assert refused.ename == "ValueError"
