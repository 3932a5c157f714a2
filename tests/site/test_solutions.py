"""The edition with solutions: each below its exercise, only if asked for, and in another folder.

That the public book holds none is proved on all its files: see test_leaks.
"""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from docutils import nodes
from docutils.utils import new_document
from pypdf import PdfReader

from instnorm_checks import EXERCISES
from instnorm_site import epub, gathered, pdf, solutions

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


TOC = """
format: jb-book
root: index
parts:
  - caption: Hands on
    chapters:
      - file: hands-on/the-algorithm
"""


@pytest.fixture
def both(built, tmp_path):
    """Two pages as they are, and with a solution in the second: `plain` and `solved`."""
    if not any(map(shutil.which, gathered.BROWSERS)):
        pytest.skip(f"NO BROWSER, so nothing is bound: none of {', '.join(gathered.BROWSERS)}")
    (tmp_path / "toc.yml").write_text(TOC)
    solution = "".join(each.astext() for each in solutions._folded("answer", "y = 'in full'"))
    assert "<details" in solution
    solution = solution.replace("y = ", "<pre>y = ", 1).replace("full'", "full'</pre>", 1)
    for name in ("plain", "solved"):
        folder = tmp_path / name
        (folder / "hands-on").mkdir(parents=True)
        (folder / "_static").symlink_to(built / "_static")
        shutil.copy(built / "index.html", folder)
        page = (built / "hands-on" / "the-algorithm.html").read_text()
        if name == "solved":
            page = page.replace("</article>", f"{solution}</article>", 1)
            assert solution in page
        (folder / "hands-on" / "the-algorithm.html").write_text(page)
    return tmp_path


@pytest.mark.slow  # two files, of a few seconds each
def test_on_paper_solutions_are_unfolded_and_the_cover_speaks_of_them(both):
    for name in ("plain", "solved"):
        pdf.bind(both / name, both / "toc.yml", both / f"{name}.pdf")
    plain, solved = (PdfReader(both / f"{name}.pdf") for name in ("plain", "solved"))
    assert plain.metadata.title == "Instance Normalization"
    assert solved.metadata.title == "Instance Normalization, with solutions"
    assert "with solutions" in " ".join(solved.pages[0].extract_text().split())
    assert "solution" not in plain.pages[0].extract_text()
    assert "y = 'in full'" in "".join(page.extract_text() for page in solved.pages)


@pytest.mark.slow
def test_the_epub_with_solutions_is_a_book_of_its_own(both):
    found = {}
    for name in ("plain", "solved"):
        epub.bind(both / name, both / "toc.yml", both / f"{name}.epub")
        with ZipFile(both / f"{name}.epub") as book:
            package = book.read("book/package.opf").decode()
            page = book.read("book/hands-on--the-algorithm.xhtml").decode()
        title, identifier = (
            re.search(f"<dc:{what}[^>]*>(.*?)</dc:{what}>", package)[1]
            for what in ("title", "identifier")
        )
        found[name] = title, identifier, "y = 'in full'" in page
    assert found["plain"][0::2] == ("Instance Normalization", False)
    assert found["solved"][0::2] == ("Instance Normalization, with solutions", True)
    assert found["plain"][1] != found["solved"][1]


def test_the_files_of_the_edition_have_names_of_their_own():
    def written(*arguments):
        make = ["make", "--dry-run", "pdf", "epub", *arguments]
        said = subprocess.run(make, cwd=ROOT, text=True, capture_output=True, check=True).stdout
        return re.findall(r"-m instnorm_site\.(?:pdf|epub) (\S+) (\S+)", said)

    public = "_build/instance-normalization"
    assert written("SOLUTIONS=") == [("_build/html", f"{public}.{k}") for k in ("pdf", "epub")]
    own = "_build/with-solutions"
    assert written("SOLUTIONS=1") == [
        (f"{own}/_build/html", f"{own}/instance-normalization-with-solutions.{k}")
        for k in ("pdf", "epub")
    ]
