"""The pages are valid HTML, as html-validate sees it, with the rules that it recommends.

Its package is fetched by npm into ``_build``; where that cannot be had, this is skipped. It costs
some 10 s. Rules that are not as recommended, in ``html-validate/rules.json``, and why:

- ``no-inline-style``: KaTeX says the height of each part of a formula in its own `style`.
- ``no-trailing-whitespace`` and ``void-style`` are about the look of the source, which templates of
  the theme have written and nobody reads: ``<br>`` and ``<br />`` are both HTML.
- ``prefer-native-element``, for roles that Sphinx and its theme give to their paragraphs and
  boxes: it is the same to whoever hears the page.
- ``valid-id``, ``relaxed``: ids in the reference are names of Python, which have dots.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from instnorm_site import markup
from instnorm_site.node import playwright_node

HERE = Path(__file__).parent / "html-validate"
ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / "_build" / "html-validate"


@pytest.fixture(scope="module")
def validate(tmp_path_factory):
    """`validate(folder, pages)`: what is wrong, as (page, line, rule, message)."""
    if not (npm := shutil.which("npm")):
        pytest.skip("NO NPM, so the HTML of the pages is not validated")
    program = INSTALLED / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"
    lock = INSTALLED / "package-lock.json"
    if not program.is_file() or lock.read_text() != (HERE / lock.name).read_text():
        shutil.copytree(HERE, INSTALLED, dirs_exist_ok=True)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        got = subprocess.run(
            command, cwd=INSTALLED, capture_output=True, text=True, check=False, timeout=300
        )
        if got.returncode != 0 or not program.is_file():
            pytest.skip(f"npm has no html-validate, so nothing is validated: {got.stderr[-300:]}")

    def run(folder, pages):
        # Into a file: what it prints is cut off where much is wrong.
        found = tmp_path_factory.mktemp("html") / "found.json"
        options = ["-c", HERE / "rules.json", "--formatter", f"json={found}"]
        answer = subprocess.run(
            [playwright_node(), program, *options, *pages],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode in (0, 1), answer.stderr
        return [
            (Path(page["filePath"]).name, each["line"], each["ruleId"], each["message"])
            for page in json.loads(found.read_text())
            for each in page["messages"]
        ]

    return run


@pytest.mark.slow  # 10 s
def test_pages_are_valid(validate, built):
    pages = [
        p.relative_to(built) for p in sorted(built.rglob("*.html")) if "_static" not in p.parts
    ]
    assert len(pages) > 30
    assert validate(built, pages) == []


@pytest.mark.slow  # 2 s, and the time of npm
def test_a_fault_is_found(validate, tmp_path):
    (tmp_path / "page.html").write_text(
        "<!DOCTYPE html>\n<html lang='en'><head><title>A</title></head>\n"
        "<body><p>x<div id='a'></div></p><button type='button'></button></body></html>\n"
    )
    found = {rule for _, _, rule, _ in validate(tmp_path, ["page.html"])}
    assert {"close-order", "text-content"} <= found


def test_what_the_theme_leaves_out_is_put_in():
    icon = '<i class="fa-solid fa-magnifying-glass"></i>'
    form = f'<form class="bd-search d-flex"\n action="s">\n{icon}\n<input></form>'
    sends = f'<input><button type="submit" aria-label="Search">{icon}</button></form>'
    assert markup.page(form).endswith(sends)
    button = '<button type="button" title="Toggle primary sidebar">'
    assert 'aria-label="Contents of the book"' in markup.page(button)
    assert markup.page('<p class="a  b a">') == '<p class="a b">'
    assert markup.page('<p class="a  b">') == '<p class="a  b">'


def test_what_the_theme_prints_twice_goes():
    page = '<p>before</p><div id="jb-print-docs-body"><h1></h1></div><div id="searchbox"></div>'
    assert markup.page(page) == '<p>before</p><div id="searchbox"></div>'


def test_cells_of_a_wide_table_know_their_heads():
    def table(columns):
        heads = "".join(f'<th class="head"><p>H{k}</p></th>\n' for k in range(columns))
        cells = "".join(f"<td><p>{k}</p></td>" for k in range(columns))
        row = f'<tr class="row-even">{cells}</tr>'
        head = f'<thead>\n<tr class="row-odd">{heads}</tr>\n</thead>'
        return f'<table class="table">\n{head}\n<tbody>\n{row}{row}\n</tbody>\n</table>'

    assert markup.page(table(3)) == table(3)
    made = markup.page(table(4))
    assert '<table class="table cards">' in made
    assert made.count('<td data-head="H3"><p>3</p></td>') == 2
