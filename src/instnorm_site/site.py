"""A Sphinx extension: what makes pages a site.

- The 26-style network, which the explorable "Style mixer" runs in the reader's browser, is taken
  from the package that it comes with, so that the repository holds no copy.
- Mathematics is drawn when the book is built, by the Node that the package playwright brings.
- Each page has a description for search engines, and a card for whoever is sent a link to it. The
  address in it is ``html.baseurl`` of ``_config.yml``.
- A comma behind a formula never begins a line.
- Pages are made lighter than the theme makes them: see `slim_theme`.
"""

import re
import socket
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import playwright
from docutils import nodes
from sphinxcontrib import katex

from instnorm_lab import photos, style
from instnorm_lab.multistyle import model_file

from . import slim_theme

SHORT = 30  # characters of LaTeX: what fits a line of a small telephone
CARD = "_static/card.jpg"
CARD_ALT = "Three prints of one photograph: pale, dark, and normalised"


def setup(app):
    _let_playwright_draw_mathematics()
    # Before Sphinx itself looks at the list, which it does at priority 800.
    app.connect("config-inited", _configure, priority=700)
    app.connect("doctree-resolved", _keep_together)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _finish, priority=900)  # after extensions have copied their files
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _let_playwright_draw_mathematics():
    node = Path(playwright.__file__).parent / "driver" / "node"
    katex.NODEJS_BINARY = str(node if node.is_file() else node.with_suffix(".exe"))
    katex.KATEX_DEFAULT_OPTIONS = {"strict": "error"}
    # On a busy machine katex calls its server before that listens. Over TCP it tries again.
    katex.KaTeXServer.start_server_process = _start_katex
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60.0


def _start_katex(folder, timeout):
    process, connection = katex.KaTeXServer.start_network_socket(folder, timeout)
    # A request is sent in two parts. Without this the second would wait 40 ms until the first has
    # been acknowledged.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return process, connection


def _configure(app, config):
    config.html_static_path.append(str(model_file()))
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def _keep_together(app, doctree, docname):
    """Keep short formulas and the comma behind them on one line; browsers would break between."""
    for formula in list(doctree.findall(nodes.math)):
        text = formula.next_node(descend=False, siblings=True)
        marks = re.match(r"[,;.:!?)’”]*", text).group() if isinstance(text, nodes.Text) else ""
        if marks and len(formula.astext()) <= SHORT:
            together = nodes.inline(classes=["together"])
            formula.parent.replace(text, nodes.Text(text[len(marks) :]))
            formula.replace_self(together)
            together += [formula, nodes.Text(marks)]


def _describe(app, pagename, templatename, context, doctree):
    context.setdefault("metatags", "")
    if doctree is None:  # the search page and the like
        context["metatags"] += '<meta name="robots" content="noindex" />\n'
        return
    book, text = app.config.html_title, description(doctree)
    title = re.sub(r"<[^>]*>", "", context["title"])
    properties = {
        "og:title": title,
        "og:type": "article",
        "og:site_name": book,
        "og:url": context["pageurl"],
        "og:description": escape(text or f"{title}, in the book {book}"),
        "og:image": app.config.html_baseurl + CARD,
        "og:image:alt": CARD_ALT,
    }
    context["metatags"] += "".join(
        [f'<meta property="{name}" content="{value}" />\n' for name, value in properties.items()]
        + [f'<meta name="description" content="{properties["og:description"]}" />\n']
        + ['<meta name="twitter:card" content="summary_large_image" />\n']
    )


def description(doctree, longest=200):
    """The first sentences of a page, as many as fit, from paragraphs without a formula."""
    said = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section) or list(paragraph.findall(nodes.math)):
            continue
        for sentence in re.split(r"(?<=[.?!])\s+", " ".join(paragraph.astext().split())):
            if len(said) + len(sentence) >= longest:
                return said
            said = f"{said} {sentence}".strip()
    return said


def _finish(app, error):
    if error is None and app.builder.format == "html":
        site = Path(app.outdir)
        draw_card(site / CARD, app.config.html_title)
        pages = [site / app.builder.get_target_uri(name) for name in app.env.found_docs]
        for page in [*pages, site / "404.html", site / "genindex.html", site / "search.html"]:
            page.write_text(slim_theme.page(page.read_text("utf-8"), page.name), "utf-8")
        slim_theme.static_files(site)


def draw_card(path, title):
    """Write the card, a JPEG of 1200 × 630: three prints, of which the last is normalised."""
    import matplotlib.pyplot as plt

    picture = photos.photo("astronaut", size=324)
    normed = (picture - picture.mean()) / picture.std()
    prints = (0.75 + 0.06 * normed, 0.2 + 0.06 * normed, 0.5 + 0.24 * normed)
    with plt.rc_context(style.RC):
        fig = plt.figure(figsize=(12, 6.3), dpi=100, layout="none")
        for k, values in enumerate(prints):
            axes = fig.add_axes((0.065 + 0.3 * k, 0.37, 0.27, 0.27 * 12 / 6.3))
            axes.imshow(values, vmin=0, vmax=1)
            axes.set_axis_off()
        fig.text(0.065, 0.17, title, size=46, weight="bold", va="baseline")
        for left, hue in ((0.065, "ink"), (0.115, "vermilion")):
            fig.add_artist(plt.Rectangle((left, 0.085), 0.05, 0.018, color=style.LIGHT[hue]))
        fig.savefig(path, pil_kwargs={"quality": 88})
        plt.close(fig)
