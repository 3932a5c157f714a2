"""No solution and no hidden test gets out: not on a page, nor in a notebook.

The secrets are the lines of solutions/ that nbgrader takes out before it hands a notebook out. What
the notebook keeps, and what the wheel of our packages contains, is no secret: students have both.
"""

import html
import json
import re
import zipfile
from pathlib import Path

import pytest
from sphinx.search.en import SearchEnglish

from instnorm_site import runtime

ROOT = Path(__file__).resolve().parents[2]
REGION = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)### END \1", re.DOTALL)
SHORTEST = 20  # characters that are not white space; a shorter line is anybody's


def squeeze(text):
    """The text without what differs between a source, a page and a JSON string."""
    return re.sub(r'\\[nt]|[\s"\'\\,]', "", text)


def solutions():
    return [path.read_text() for path in sorted((ROOT / "solutions").glob("*/*.md"))]


@pytest.fixture(scope="module")
def secrets():
    """Squeezed secret lines. What a chapter shows, and our packages, is for all to read."""
    texts = solutions()
    package = [path.read_text() for path in (ROOT / "src").rglob("*.py")]
    chapters = [
        path.read_text()
        for part in ("principles", "applications")
        for path in (ROOT / "book" / part).glob("*.md")
    ]
    public = squeeze("".join([REGION.sub("", text) for text in texts] + package + chapters))
    bodies = [region[2] for text in texts for region in REGION.finditer(text)]
    # A secret that a hidden test and others share is one line, met in many regions.
    lines = {squeeze(line) for body in bodies for line in body.splitlines()}
    return {line for line in lines if len(line) >= SHORTEST and line not in public}


def texts_in(path):
    """The texts of a file: its own, or those of the files packed into it."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            contents = [packed.read(name) for name in packed.namelist()]
    else:
        contents = [path.read_bytes()]
    for content in contents:
        text = content.decode("utf-8", errors="ignore")
        yield text
        if "</" in text:  # code is coloured piece by piece
            yield html.unescape(re.sub(r"<[^<>]*>", "", text))


def leaks(folder, secrets):
    """{path: a secret line in it} of all files below the folder."""
    found = {}
    for path in filter(Path.is_file, sorted(Path(folder).rglob("*"))):
        if path.name in runtime.files():  # by name and hash: others wrote them
            continue
        if path.suffix in {".map", ".onnx", ".ttf", ".wasm", ".woff", ".woff2"}:
            continue
        text = "\n".join(squeeze(text) for text in texts_in(path))
        if line := next((line for line in secrets if line in text), None):
            found[str(path)] = line
    return found


def test_every_exercise_has_secrets(secrets):
    for text in solutions():
        solved = [region[2] for region in REGION.finditer(text) if region[1] == "SOLUTION"]
        assert len(solved) >= 2
        for body in solved:
            assert sum(squeeze(line) in secrets for line in body.splitlines()) >= 3
    assert any("import grade as check".replace(" ", "") in line for line in secrets)


def test_the_notebooks_handed_out_hold_no_secret(secrets):
    assert len(list((ROOT / "exercises").rglob("*.ipynb"))) == len(solutions())
    assert not leaks(ROOT / "exercises", secrets)


def test_the_site_holds_no_secret(built, secrets):
    assert not leaks(built, secrets)


def test_the_search_index_holds_no_word_but_those_of_the_pages(built):
    index = (built / "searchindex.js").read_text()
    index = json.loads(index[index.index("{") : index.rindex("}") + 1])
    pages = [built / f"{name}.html" for name in index["docnames"]]
    stem = SearchEnglish({}).stem

    def words(text):
        return {stem(word) for word in set(re.findall(r"\w+", text.lower()))}

    secret = words("".join(region[2] for text in solutions() for region in REGION.finditer(text)))
    shown = words("\n".join([*texts_in(page)][-1] for page in pages))
    indexed = {term for term, places in index["terms"].items() if places != []}
    assert "normalis" in indexed
    assert not secret & indexed - shown


@pytest.mark.parametrize("kind", ["page", "notebook", "archive"])
def test_a_planted_secret_is_found(secrets, tmp_path, kind):
    solved = [r[2] for text in solutions() for r in REGION.finditer(text) if r[1] == "SOLUTION"]
    body = next(body for body in solved if "<" in body and '"' not in body)
    if kind == "page":
        coloured = re.sub(r"(\w+)", r'<span class="n">\1</span>', html.escape(body))
        (tmp_path / "page.html").write_text(f"<pre>{coloured}</pre>")
    elif kind == "notebook":
        (tmp_path / "some.ipynb").write_text(json.dumps({"source": body}))
    else:
        with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("solution.py", body)
    assert len(leaks(tmp_path, secrets)) == 1
