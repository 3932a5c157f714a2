"""The Python side of an exercise on its page, run here by CPython."""

import json

import numpy as np
import pytest

from instnorm_checks import EXERCISES
from instnorm_site import in_page

RIGHT = """\
def instance_norm(x, gamma, beta, eps=1e-5):
    mean = x.mean((2, 3), keepdims=True)
    var = x.var((2, 3), keepdims=True)
    return gamma[:, None, None] * (x - mean) / np.sqrt(var + eps) + beta[:, None, None]
"""
BEFORE = ["import numpy as np\nimport no_such_package\nfrom instnorm_checks import check"]


def ask(do, source, exercise_id="instance-norm", before=BEFORE, earlier=(), after=(), **more):
    request = {
        "do": do, "exercise_id": exercise_id, "before": before, "earlier": list(earlier),
        "source": source, "after": list(after), **more,
    }  # fmt: skip
    return json.loads(in_page.handle(json.dumps(request)))


def blocks(answer, kind):
    return [block for block in answer["blocks"] if block["is"] == kind]


def test_right_answer():
    answer = ask("check", RIGHT)
    assert (answer["kind"], answer["points"], answer["of"]) == ("report", 6, 6)
    assert answer["names"] == []
    (aspects,) = blocks(answer, "Aspects")
    assert all(row["passed"] for row in aspects["rows"])


def test_wrong_answer_is_named():
    answer = ask("check", RIGHT.replace("var((2, 3), keep", "var((2, 3), ddof=1, keep"))
    (name,) = answer["names"]
    assert name == "divides-by-m-minus-1"
    (named,) = blocks(answer, "Paragraph")
    says = EXERCISES["instance-norm"].misconception(name).says
    assert (named["name"], named["says"]) == (name, says)
    assert answer["points"] == 0
    assert name in answer["text"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(:\n  pass", "Python can't read line 1: invalid syntax\n\ndef f(:\n      ^"),
        ("y = 1", "There is no function instance_norm here"),
        ("instance_norm = 3", "There is no function instance_norm here"),
        ("a = 1\nb = a / 0", "ZeroDivisionError: division by zero\n  line 2: b = a / 0"),
        ("raise SystemExit('bye')", "SystemExit: bye\n  line 1"),
        ("import nothing_like_it", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("", "There is no function instance_norm here"),
        ("def f():\n\treturn 1\n        return 2", "Python can't read line 3: "),
        ("x = '\0'", "Python can't read"),
    ],
)
def test_code_that_gives_no_function_to_check(source, says):
    answer = ask("check", source)
    assert answer["kind"] == "trouble"
    assert answer["text"].startswith(says)


def test_exception_whose_own_code_misbehaves():
    source = "class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E"
    assert ask("check", source) == {"kind": "trouble", "text": "E\n  line 4: raise E"}


def test_function_of_an_earlier_exercise_does_not_stand_in():
    """An answer that defines nothing is no answer, whatever was written before."""
    assert ask("check", "y = 1", earlier=[RIGHT])["kind"] == "trouble"


HELPER = """\
def standardise(x, eps):
    mean, var = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    return (x - mean) / np.sqrt(var + eps)
"""
CALLS = """\
def instance_norm(x, gamma, beta, eps=1e-5):
    return gamma[:, None, None] * standardise(x, eps) + beta[:, None, None]
"""


def test_answer_may_call_earlier_answers():
    assert ask("check", CALLS, earlier=["raise ValueError", HELPER])["points"] == 6


def test_lines_of_the_answer_are_quoted():
    answer = ask("check", "def instance_norm(x, gamma, beta, eps=1e-5):\n    return x.no_such()\n")
    assert "line 2: return x.no_such()" in answer["text"]


def test_what_is_printed_comes_back():
    answer = ask("check", "print('<b>hello</b>')\n" + RIGHT)
    assert answer["printed"] == "<b>hello</b>\n"


def test_fault_of_ours_is_no_mark(monkeypatch):
    def broken(*_):
        raise AttributeError("no clock")

    monkeypatch.setattr(in_page, "examine", broken)
    answer = ask("check", RIGHT)
    assert answer["kind"] == "fault"
    assert "no clock" in answer["text"]
    assert "points" not in answer


def test_cells_between_answer_and_check_are_run():
    after = ["instance_norm = (lambda f: lambda *given: f(*given) + 1)(instance_norm)"]
    assert ask("check", RIGHT, after=after)["points"] < 6


def test_nothing_is_timed():
    (timed,) = [each for each in EXERCISES.values() if any(a.pace for a in each.aspects)]
    here = in_page.here(timed)
    assert here.points == timed.points
    assert not any(aspect.pace for aspect in here.aspects)


def test_line_on_a_case_shows_both_and_the_difference():
    wrong = RIGHT.replace("+ beta[:, None, None]", "")
    line = 'instance_norm(**public_case("instance-norm", "affine", 0))'
    answer = ask("try", wrong, line=line, case=["affine", 0])
    (picture,) = answer["pictures"]
    yours, expected = (np.reshape(picture[key], picture["shape"]) for key in ("yours", "expected"))
    assert answer["kind"] == "tried"
    assert answer["value"].startswith("array(")
    assert not picture["agrees"]
    assert picture["apart"] == pytest.approx(np.abs(yours - expected).max())


@pytest.mark.filterwarnings("default")
def test_line_of_the_readers_own():
    answer = ask("try", RIGHT, line="print(1)\nnp.arange(3) / 0")
    assert answer["printed"].startswith("1\n")
    assert answer["pictures"] == []
    assert "nan" in answer["value"]
    assert ask("try", RIGHT, line="1 / 0")["text"].startswith("ZeroDivisionError")
    assert ask("try", RIGHT, line="(")["text"].startswith("Python can't read line 1")
    evil = "type('T', (), {'__repr__': lambda self: 1 / 0})()"
    assert ask("try", RIGHT, line=evil)["value"] == "(its repr raises ZeroDivisionError)"


@pytest.mark.parametrize(
    ("returned", "note"),
    [
        ("x[:, :1]", "yours has shape (1, 1, 2, 2), expected is (1, 2, 2, 2)"),
        ("np.full(x.shape, np.nan)", None),
    ],
)
def test_pictures_of_what_can_hardly_be_drawn(returned, note):
    source = f"def instance_norm(x, gamma, beta, eps=1e-5):\n    return {returned}"
    line = 'instance_norm(**public_case("instance-norm", "affine", 0))'
    (picture,) = ask("try", source, line=line, case=["affine", 0])["pictures"]
    if note is None:
        assert set(picture["yours"]) == {None}
        assert picture["apart"] is None
    else:
        assert picture["note"].startswith("yours has shape")


def test_long_output_is_cut():
    answer = ask("try", RIGHT, line="print('x' * 10**6)")
    assert len(answer["printed"]) == in_page.LONGEST


# --- chapters -----------------------------------------------------------------------------------


def run(source, **more):
    return json.loads(in_page.handle(json.dumps({"do": "cell", "source": source, **more})))


def test_cells_of_a_chapter_share_their_names_until_it_begins_anew():
    assert run("a = 2\nprint('x', a)\na + 1", fresh=True)["outputs"] == [
        {"text": "x 2\n"},
        {"text": "3"},
    ]
    assert run("a")["outputs"] == [{"text": "2"}]
    assert run("a", fresh=True) == {
        "kind": "trouble",
        "text": "NameError: name 'a' is not defined\n  line 1: a",
    }


def test_import_that_no_browser_has_is_said_and_the_rest_runs():
    made = run("import no_such_package\nb = 1\nb", fresh=True)
    assert made == {"kind": "ran", "outputs": [{"text": "1"}], "lacks": ["no_such_package"]}
