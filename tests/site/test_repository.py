"""Where the address of a repository is set, each page leads to its source and to the issues."""

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from jupyter_book.config import get_final_config

from instnorm_site.site import foot

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/owner/name"


@pytest.fixture
def config():
    """What _config.yml says once the two lines about the repository are uncommented."""
    text = (ROOT / "_config.yml").read_text("utf-8")
    text, changed = re.subn(r"# (repository_(?:url|branch):)", r"\1", text)
    assert changed == 2
    return yaml.safe_load(text)


def test_the_two_lines_arrive(config):
    final, _ = get_final_config(user_yaml=config, cli_config={"latex_individualpages": False})
    options = final["html_theme_options"]
    assert (options["repository_url"], options["repository_branch"]) == (REPOSITORY, "main")


def test_an_error_is_reported_with_the_page_and_its_version():
    said = foot("Version 0.1.0, 1 May 2027", REPOSITORY, "main", "principles/limits", "7. <Limits>")
    issue, edit = (unescape(way) for way in re.findall(r'href="([^"]*)"', said))
    asked = parse_qs(urlsplit(issue).query)
    assert issue.startswith(f"{REPOSITORY}/issues/new?")
    assert "7. <Limits>" in asked["title"][0]
    assert "principles/limits" in asked["body"][0]
    assert "Version 0.1.0" in asked["body"][0]
    assert edit == f"{REPOSITORY}/edit/main/book/principles/limits.md"
    assert (ROOT / edit.removeprefix(f"{REPOSITORY}/edit/main/")).is_file()


def test_a_page_without_a_source_is_not_offered_to_be_edited():
    assert "Edit" not in foot("Version 1", REPOSITORY, "main", "", "Search")


def test_without_a_repository_nothing_is_offered():
    assert "<a" not in foot("Version 1")


@pytest.mark.slow  # 10 s
def test_a_book_with_a_repository(config, tmp_path):
    config["execute"]["execute_notebooks"] = "off"
    pages = ["notation", "hands-on/limits"]
    toc = {"format": "jb-book", "root": "index", "chapters": [{"file": page} for page in pages]}
    for name, content in (("_config.yml", config), ("_toc.yml", toc)):
        (tmp_path / name).write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    options = {"--config": "_config.yml", "--toc": "_toc.yml", "--path-output": ""}
    given = [word for option, name in options.items() for word in (option, tmp_path / name)]
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT / "book", *given]
    subprocess.run(command, check=True, capture_output=True)
    for page in ("index", *pages):
        text = (tmp_path / "_build" / "html" / f"{page}.html").read_text("utf-8")
        assert f'href="{REPOSITORY}/edit/main/book/{page}.md">Edit this page' in text
        assert f'href="{REPOSITORY}/issues/new?' in text
    assert re.search(r'<code[^>]*><span class="pre">%pip</span> <span class="pre">install<', text)
    assert "/v2/gh/owner/name/main?labpath=exercises/limits/limits.ipynb" in text
    assert "/github/owner/name/blob/main/exercises/limits/limits.ipynb" in text
