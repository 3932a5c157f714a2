"""The edition with solutions: each below its exercise, only if asked for, and in another folder.

That the public book holds none is proved on all its files: see test_leaks.
"""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from instnorm_checks import EXERCISES
from instnorm_site import solutions

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.parent.name for path in ROOT.glob("solutions/*/*.md"))


def connected(monkeypatch, value):
    """What the extension does to a build where the variable has this value."""
    monkeypatch.setenv("SOLUTIONS", value)
    handlers = {}
    solutions.setup(SimpleNamespace(connect=handlers.setdefault))
    return handlers


def page(name, ids):
    """A build in which the page `name` is read, and the page, with an exercise for each id."""
    sections = [nodes.section("", nodes.title("", each), ids=[each]) for each in ids]
    document = new_document(name)
    document += nodes.section("", nodes.title("", name), *sections)
    env = SimpleNamespace(docname=f"hands-on/{name}", note_dependency=lambda path: None)
    return SimpleNamespace(env=env, srcdir=ROOT / "book"), document


def test_without_the_variable_nothing_is_done(monkeypatch):
    assert not connected(monkeypatch, "")
    assert set(connected(monkeypatch, "1")) == {"doctree-read", "html-page-context"}


@pytest.mark.parametrize("name", NAMES)
def test_each_exercise_is_followed_by_its_solution(monkeypatch, name):
    known = solutions.solved(ROOT / "solutions" / name / f"{name}.md")
    app, document = page(name, known)
    connected(monkeypatch, "1")["doctree-read"](app, document)
    assert "edition with solutions" in document.astext()
    for section in list(document.findall(nodes.section))[1:]:
        (exercise_id,) = section["ids"]
        (listing,) = section.findall(nodes.literal_block)
        assert EXERCISES.get(exercise_id) or exercise_id == "cupy-kernel"
        code = listing.astext()
        compile(code, exercise_id, "exec")
        assert "SOLUTION" not in code
        assert "YOUR CODE" not in code
        if exercise_id in EXERCISES:
            assert f"def {EXERCISES[exercise_id].function_name}(" in code
            assert "# " in code  # it is explained
        opened, _, closed = section.children[-3:]
        assert opened.astext().startswith("<details")
        assert closed.astext().startswith("</details>")


def test_a_solution_without_a_place_stops_the_build(monkeypatch):
    app, document = page("the-algorithm", ["instance-norm", "contrast-scores"])
    with pytest.raises(ValueError, match="no place for the solution of instance-norm-loops"):
        connected(monkeypatch, "1")["doctree-read"](app, document)


def test_pages_without_exercises_stay_as_they_are(monkeypatch):
    app, document = page("all-exercises", ["instance-norm"])
    before = document.astext()
    connected(monkeypatch, "1")["doctree-read"](app, document)
    assert document.astext() == before


def test_the_edition_goes_to_a_folder_of_its_own():
    def written(*arguments):
        make = ["make", "--dry-run", "book", *arguments]
        said = subprocess.run(make, cwd=ROOT, text=True, capture_output=True, check=True).stdout
        return said.partition("--path-output ")[2].split()[0]

    assert written("SOLUTIONS=") == "."
    assert written("SOLUTIONS=1") == "_build/with-solutions"


def test_the_public_book_says_nothing_of_the_other_edition(built):
    pages = sorted((built / "hands-on").glob("*.html"))
    assert len(pages) > len(NAMES)
    for each in pages:
        text = each.read_text()
        assert 'class="solution"' not in text, each
        assert "edition with solutions" not in text or "for-instructors" in each.name, each
