"""The pages of the built site, as chapters of one book: for paper, and for readers of EPUB.

Chromium reads each page, with no script of the page's own, and leaves of it what is text. In place
of what can be touched there is its picture, and a link to the page where it can be.
"""

import shutil
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import sync_playwright
from sphinx_external_toc.parsing import parse_toc_yaml

from instnorm_lab import style

from . import offline

FOOT = '<p class="book-version">'
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# What a page has for a reader at a screen, or at a keyboard.
NOT_TEXT = """script, style, template, button, .headerlink, .copybtn, .try-it, .live, .live-not,
    .margin-note, .compare fieldset, .compare > input, .exercise, .exercise-notebook,
    #check-yourself, .progress, .toctree-wrapper, .explorable-fallback > p,
    .sd-summary-state-marker, .sd-summary-chevron-right"""

TAKE = """([leave, touch]) => {
  const page = document.querySelector("link[rel=canonical]")?.href ?? "";
  const solved = document.querySelector("details.solution") !== null;
  const article = document.querySelector("article.bd-article").cloneNode(true);
  for (const box of article.querySelectorAll(".explorable")) {
    const told = document.createElement("p");
    told.className = "touch";
    told.innerHTML = `<a href="${page}">${touch}</a>`;
    box.append(told);
  }
  article.querySelectorAll(leave).forEach((part) => part.remove());
  for (const part of article.querySelectorAll("[tabindex]")) part.removeAttribute("tabindex");
  for (const link of article.querySelectorAll("a[href]"))
    link.setAttribute("href", new URL(link.getAttribute("href"), document.baseURI).href);
  for (const image of article.querySelectorAll("img[src]"))
    image.setAttribute("src", new URL(image.getAttribute("src"), document.baseURI).href);
  const title = [...article.querySelector("h1").childNodes]
    .filter((node) => !node.className).map((node) => node.textContent).join("").trim();
  const number = article.querySelector("h1 > .section-number")?.textContent.trim() ?? "";
  window.gathered = article;
  return [title, number, page, solved];
}"""
TOUCH = "On its page in the web book this can be moved."


COMPOSE = """([title, html]) => {
  document.title = title;
  document.body.innerHTML = html;
}"""

#: The mark of the book, half ink and half vermilion.
MARK = f"""<svg class="book-mark" viewBox="0 0 32 32" aria-hidden="true">
<path fill="{style.LIGHT["ink"]}" d="M16 0a16 16 0 0 0 0 32z"/>
<path fill="{style.LIGHT["vermilion"]}" d="M16 0a16 16 0 0 1 0 32z"/></svg>"""


class Chapter(NamedTuple):
    """A page of the site."""

    key: str  # its name, with "--" for "/": what ids of it begin with, and a file of it is named
    part: str  # the caption over it in the table of contents; "" for the first page
    path: Path
    title: str
    number: str  # "2.", or "" where chapters have none
    published: str  # its address on the web
    solved: bool  # whether it has solutions

    @property
    def label(self):
        return f"{self.number} {self.title}".strip()


@contextmanager
def chromium():
    """A page of Chromium in which no script of the site runs.

    Raises
    ------
    FileNotFoundError
        If no Chromium is installed.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"a Chromium has to be installed: none of {', '.join(BROWSERS)}")
    with sync_playwright() as driver:
        program = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = program.new_page(color_scheme="light", service_workers="block")
        page.route("**/*.js", lambda route: route.abort())
        yield page
        program.close()


def named(site, toc):
    """The pages that the file `toc` names, in the folder `site`: part, name and path of each.

    Raises
    ------
    FileNotFoundError
        If a page is not built.
    """
    found = [(part, name, Path(site).resolve() / f"{name}.html") for part, name in _pages(toc)]
    for _, _, path in found:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not built; run: make book")
    return found


def chapters(page, pages, each, **more):
    """The chapters that `pages` are: what `named` returned.

    Parameters
    ----------
    page : playwright.sync_api.Page
    pages : list
    each : str
        A function of JavaScript that is called when a page has been read, with ``{key, keys}``: the
        chapter's key, and the key of each chapter by the address of its page; and with what else is
        given. The article is in ``gathered``.

    Returns
    -------
    list of (Chapter, object)
        Each with what the function returned.
    """
    keys = {path.as_uri(): name.replace("/", "--") for _, name, path in pages}
    found = []
    for part, _, path in pages:
        page.goto(path.as_uri())
        title, number, published, solved = page.evaluate(TAKE, [NOT_TEXT, TOUCH])
        key = keys[path.as_uri()]
        made = page.evaluate(each, {"key": key, "keys": keys, **more})
        found.append((Chapter(key, part, path, title, number, published, solved), made))
    return found


def title(chapters):
    """The title of the book that these chapters are: the edition with solutions says what it is."""
    solved = any(chapter.solved for chapter in chapters)
    return chapters[0].title + (", with solutions" if solved else "")


def _pages(toc):
    root = parse_toc_yaml(toc).root
    yield "", root.docname
    for part in root.subtrees:
        for name in part.items:
            yield part.caption, str(name)


def cover(title, about):
    """HTML of the cover, from the title and what the first page says of the book."""
    return (
        f'<div class="book-cover"><p class="book-title">{escape(title)}</p>'
        f'<p class="book-about">{escape(about["about"])}</p>{MARK}'
        f'<p class="book-edition">{escape(about["edition"])}</p></div>'
    )


def offer(site, file, words):
    """Put a file into the built site, and a link to it at the foot of each page.

    Not of the page 404, which is shown at any address, so that it holds no relative one.
    """
    site, file = Path(site), Path(file)
    shutil.copy(file, site / file.name)
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        if FOOT not in text or page.name == "404.html":
            continue
        up = "../" * (len(page.relative_to(site).parts) - 1)
        link = f'<a class="book-file" href="{up}{file.name}">{words}</a>'
        if link not in text:
            page.write_text(text.replace(FOOT, f"<p>{link}</p>{FOOT}", 1), "utf-8")
    offline.renew(site)
