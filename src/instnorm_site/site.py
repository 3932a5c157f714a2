"""A Sphinx extension: what makes pages a site.

- The 26-style network, which the explorable "Style mixer" runs in the reader's browser, is taken
  from the package that it comes with, so that the repository holds no copy.
- Mathematics is drawn when the book is built, by the Node that the package playwright brings.
- Each page has a description for search engines, and a card for whoever is sent a link to it. The
  address in it is ``html.baseurl`` of ``_config.yml``.
- A comma behind a formula never begins a line, and no line ends within a shape such as (N, C).
- The design of `instnorm_lab.style` becomes a style sheet.
- What a line cites stands in the margin beside it: see `margins`.
- Columns of numbers become tables: see `results`.
- What figures to touch are made of stands in files of its own: see `models`.
- Pages are made lighter than the theme makes them: see `slim_theme`; and valid: see `markup`.
"""

import functools
import re
import socket
import subprocess
import textwrap
from datetime import date
from html import escape, unescape
from importlib import metadata
from itertools import chain
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
from docutils import nodes
from PIL import Image, ImageDraw, ImageFont
from sphinxcontrib import katex

from instnorm_lab import photos, style
from instnorm_lab.multistyle import model_file

from . import api, margins, markup, models, pictures, results, slim_theme
from .node import playwright_node

#: Fonts that every page shows at once. What comes later moves what stands beside it.
FONTS = (
    "fonts/serif-regular.woff2",
    "fonts/sans-regular.woff2",
    "fonts/sans-semibold.woff2",
    "vendor/fontawesome/webfonts/fa-solid-900.woff",
)
#: And those that have something of the kind, as a pattern of HTML.
MORE_FONTS = {
    r'<em\b|class="opening': ("fonts/serif-italic.woff2",),
    'class="katex': ("katex/fonts/KaTeX_Main-Regular.woff2", "katex/fonts/KaTeX_Math-Italic.woff2"),
}

#: What stands in for our fonts until they come, on most computers, made as wide as they are: then
#: hardly a line breaks elsewhere when they come. Family, weight and style; names of the font; width
#: of ours over width of that font, in percent, for text of the book (measured in Chromium); ascent
#: and descent of ours.
STAND_INS = (
    ("Serif", "400", "normal", ("Times New Roman", "Liberation Serif"), 110.5, 104, 34),
    ("Serif", "400", "italic", ("Times New Roman Italic", "Liberation Serif Italic"),
     102.2, 104, 34),
    ("Serif", "600 700", "normal", ("Times New Roman Bold", "Liberation Serif Bold"),
     105.4, 104, 34),
    ("Sans", "400 500", "normal", ("Arial", "Liberation Sans"), 93.1, 98, 27),
    ("Sans", "600 700", "normal", ("Arial Bold", "Liberation Sans Bold"), 89.0, 98, 27),
)  # fmt: skip
SHORT = 30  # characters of LaTeX: what fits a line of a small telephone
SHORT_CODE = 22  # and of code

#: Between a number and its unit, around the sign between two numbers, before that of a figure.
UNIT = re.compile(
    r"(?<=\d) (?=%|(?:[kKMGT]?i?B|[nµm]?s|[kMG]?Hz|[mc]m)\b)"
    r"|(?<=\d) (?=× \d)|(?<=\d[ \N{NARROW NO-BREAK SPACE}]×) (?=\d)|(?<=\bFig\.) (?=\d)"
)
HOLDS_TEXT = (nodes.paragraph, nodes.inline, nodes.emphasis, nodes.strong, nodes.caption)
#: Pages, or years: browsers would end a line behind the dash.
SPAN = re.compile(r"(?<![\w.])\d+[-–]\d+(?![\w-])")


def setup(app):
    _let_playwright_draw_mathematics()
    # Before Sphinx itself looks at the list, which it does at priority 800.
    app.connect("config-inited", _configure, priority=700)
    app.connect("doctree-resolved", _keep_together)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _finish, priority=900)  # after extensions have copied their files
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _let_playwright_draw_mathematics():
    katex.NODEJS_BINARY = str(playwright_node())
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
    design = Path(app.doctreedir) / "design"
    design.mkdir(parents=True, exist_ok=True)
    (design / "design.css").write_text(design_css(), "utf-8")
    config.html_static_path.append(str(design))
    config.notfound_urls_prefix = root = urlsplit(config.html_baseurl).path
    config.html_theme_options["extra_footer"] = foot(edition(app.srcdir))
    lost = config.notfound_context  # a page that is shown at any address
    config.notfound_context = {**lost, "body": lost["body"].replace('href="', f'href="{root}')}


def design_css():
    """The design as a style sheet, with fonts that stand in for ours until they come."""
    css, faces = style.css(), []
    for family, weight, slope, names, width, ascent, descent in STAND_INS:
        own, other = f'"Book {family}"', f'"Book {family} stand-in"'
        if other not in css:
            css = css.replace(own, f"{own}, {other}")
        sources = ", ".join(f'local("{name}")' for name in names)
        faces.append(
            f"@font-face {{\n  font-family: {other};\n  font-weight: {weight};\n"
            f"  font-style: {slope};\n  src: {sources};\n  size-adjust: {width}%;\n"
            f"  ascent-override: {100 * ascent / width:.1f}%;\n"
            f"  descent-override: {100 * descent / width:.1f}%;\n  line-gap-override: 0%;\n}}\n"
        )
    return "\n".join([*faces, css])


@functools.cache
def edition(folder):
    """Version and date of the sources, for example "Version 0.1.0, 1 May 2027"."""
    said = subprocess.run(
        ["git", "log", "-1", "--format=%cs"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    day = date.fromisoformat(said.stdout.strip()) if said.returncode == 0 else date.today()
    return f"Version {metadata.version('instnorm')}, {day.day} {day:%B %Y}"


def foot(version, repository="", branch="main", page="", title=""):
    """What stands at the foot of a page: the version; and, where the address of a repository on
    GitHub is known, how to report an error in the page, and to change it.

    `page` is its name, such as "principles/limits", or "" for one that has no source.
    """
    said = f'<p class="book-version">{version}</p>'
    if repository:
        about = {
            "title": f"Error on the page “{title}”",
            "body": f"In {page or title}, {version}: ",
        }
        ways = {"Report an error": f"{repository}/issues/new?{urlencode(about, quote_via=quote)}"}
        if page:
            ways["Edit this page"] = f"{repository}/edit/{branch}/book/{page}.md"
        links = (f'<a href="{escape(way)}">{name}</a>' for name, way in ways.items())
        said += f'<p class="book-ways">{" ".join(links)}</p>'
    return said


def _keep_together(app, doctree, docname):
    """Keep on one line what browsers would break: a short formula and the comma behind it, a short
    piece of code, a number and its unit, the first page and the last."""
    for formula in list(doctree.findall(nodes.math)):
        text = formula.next_node(descend=False, siblings=True)
        marks = re.match(r"[,;.:!?)’”]*", text).group() if isinstance(text, nodes.Text) else ""
        if not marks:
            continue
        formula.parent.replace(text, nodes.Text(text[len(marks) :]))
        if _is_short(formula.astext()):
            together = nodes.inline(classes=["together"])
            formula.replace_self(together)
            together += [formula, nodes.Text(marks)]
        else:  # the mark becomes the end of the formula
            formula[0] = nodes.Text(rf"{formula.astext()}\text{{{marks}}}")
    for code in doctree.findall(nodes.literal):
        if len(code.astext()) <= SHORT_CODE:
            code["classes"].append("together")
    for text in list(doctree.findall(nodes.Text)):
        if isinstance(text.parent, HOLDS_TEXT):
            text.parent.replace(text, [*_spans(UNIT.sub("\N{NARROW NO-BREAK SPACE}", text))])


def _spans(text):
    at = 0
    for match in SPAN.finditer(text):
        yield nodes.Text(text[at : match.start()])
        yield nodes.inline("", match[0].replace("-", "–"), classes=["together"])
        at = match.end()
    yield nodes.Text(text[at:])


def _is_short(latex):
    """Whether a formula fits a line, by its source, or by what will be seen of that."""
    seen = re.sub(r"\\[A-Za-z]+", "x", latex)
    return len(latex) <= SHORT or len(re.sub(r"[{}^_\s]", "", seen)) <= SHORT / 2


def _describe(app, pagename, templatename, context, doctree):
    context.setdefault("metatags", "")
    body = context.get("body") or ""
    more = (fonts for kind, fonts in MORE_FONTS.items() if re.search(kind, body))
    for font in (*FONTS, *chain.from_iterable(more)):
        address, kind = context["pathto"](f"_static/{font}", 1), font.rpartition(".")[2]
        context["metatags"] += (
            f'<link rel="preload" href="{address}" as="font" type="font/{kind}" crossorigin />\n'
        )
    options = app.config.html_theme_options
    if repository := options.get("repository_url", "").rstrip("/"):
        context["theme_extra_footer"] = foot(
            edition(app.srcdir),
            repository,
            options.get("repository_branch") or "main",
            pagename if doctree is not None else "",
            unescape(re.sub(r"<[^>]*>", "", context.get("title", pagename))),
        )
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
        "og:image": app.config.html_baseurl + card(pagename),
        "og:image:alt": f"{title}, and a picture of what it is about",
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
        for name, title in app.env.titles.items():
            if name in app.env.found_docs:
                draw_card(site / card(name), app.config.html_title, name, title.astext())
        pages = [site / app.builder.get_target_uri(name) for name in app.env.found_docs]
        models.empty(site / "_static")
        cited = margins.sources(app.env.get_domain("cite").citations)
        for page in [*pages, site / "404.html", site / "genindex.html", site / "search.html"]:
            text = margins.page(results.page(api.page(page.read_text("utf-8"))), cited)
            text = models.page(text, site / "_static")
            page.write_text(markup.page(slim_theme.page(text, page.name)), "utf-8")
        slim_theme.static_files(site)


def card(page):
    """Where the card of a page is that is shown with a link to it."""
    return f"_static/cards/{page.replace('/', '--')}.jpg"


def draw_card(path, book, page, title):
    """Write the card of a page, a JPEG of 1200 × 630: its title, and the picture of its chapter."""
    chapter = page if page in pictures.DRAWN else None
    sheet = Image.new("RGB", (1200, 630), style.LIGHT["paper"])
    pen = ImageDraw.Draw(sheet)
    shown = pictures.image(chapter, 480) if chapter else _prints(480)
    sheet.paste(shown, (650, (630 - shown.height) // 2))
    bold, plain = (_font(face) for face in ("semibold", "regular"))
    lines = textwrap.wrap(title, 16)
    size = 76 if len(lines) < 4 else 60
    top = 315 - len(lines) * size * 0.58
    for k, line in enumerate(lines):
        pen.text((70, top + k * size * 1.12), line, style.LIGHT["ink"], bold(size))
    below = top + len(lines) * size * 1.12 + 28
    for left, hue in ((70, "ink"), (130, "vermilion")):
        pen.rectangle((left, below, left + 59, below + 9), style.LIGHT[hue])
    if title != book:
        pen.text((70, 540), book, style.LIGHT["muted"], plain(34))
    path.parent.mkdir(exist_ok=True)
    sheet.save(path, quality=88)


def _font(face):
    path = Path(style.__file__).parent / "fonts" / f"sans-{face}.ttf"
    return functools.partial(ImageFont.truetype, str(path))


@functools.cache
def _prints(width):
    """Two prints of one photograph, pale and normalised, side by side."""
    picture = photos.photo("astronaut", size=320)
    normed = (picture - picture.mean()) / picture.std()
    halves = np.hstack([(0.75 + 0.06 * normed)[:, :160], (0.5 + 0.24 * normed)[:, 160:]])
    return Image.fromarray((halves.clip(0, 1) * 255).astype("uint8")).resize((width, width))
