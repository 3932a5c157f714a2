"""A Sphinx extension: what makes pages a site.

- The 26-style network, which the explorable "Style mixer" runs in the reader's browser, is taken
  from the package that it comes with, so that the repository holds no copy.
- Mathematics is drawn when the book is built, by the Node that the package playwright brings.
- Each page says what it is about, to searchers and to whoever is sent a link to it. The address
  that it names is ``html.baseurl`` of ``_config.yml``.
- What the theme makes every reader load and no page needs is left out: see `_lighten`.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import playwright
import tinycss2
from docutils import nodes
from sphinxcontrib import katex

from . import photos, style
from .multistyle import model_file

# Of the theme and of extensions; they serve all that any book might use.
STYLESHEETS = ("styles/*.css", "sphinx-design.min.css", "mystnb.*.css")
CARD = "_static/card.jpg"
CARD_ALT = "Three prints of one photograph: pale, dark, and normalised"


def setup(app):
    _let_playwright_draw_mathematics()
    # Before Sphinx itself looks at the list, which it does at priority 800.
    app.connect("config-inited", _configure, priority=700)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _let_playwright_draw_mathematics():
    node = Path(playwright.__file__).parent / "driver" / "node"
    katex.NODEJS_BINARY = str(node if node.is_file() else node.with_suffix(".exe"))
    katex.KATEX_DEFAULT_OPTIONS = {"strict": "error"}
    # On a busy machine katex calls its server before that listens. By TCP it calls again.
    katex.KaTeXServer.start_server_process = katex.KaTeXServer.start_network_socket
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60.0


def _configure(app, config):
    config.html_static_path.append(str(model_file()))
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def _describe(app, pagename, templatename, context, doctree):
    context.setdefault("metatags", "")
    if doctree is None:  # a page for finding others
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
    """The first sentences of a page, as many as fit. Those with a formula are none to quote."""
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
            page.write_text(_lighten(page.read_text("utf-8"), page.name), "utf-8")
        _choose_icons(site / "_static")
        _choose_rules(site)


def _lighten(page, name):
    """A page without 1.5 MB of icons, without the search index, and with its landmarks named."""
    # The theme finds out whether it is dark when the page is there, and then all is styled anew.
    page = page.replace(
        'document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";',
        "document.documentElement.dataset.theme = "
        '({light: "light", dark: "dark"})[document.documentElement.dataset.mode] || '
        '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");',
    )
    page = re.sub(r"\s*<script [^>]*scripts/fontawesome\.js[^>]*></script>", "", page)
    if name != "search.html":
        search = r"(?:searchtools|language_data|searchindex)\.js"
        page = re.sub(rf'\s*<script src="[^"]*{search}[^"]*"></script>', "", page)
    page = page.replace(
        '<div id="pst-primary-sidebar" class="',
        '<div id="pst-primary-sidebar" role="region" aria-label="Book" class="',
    )
    # A role that the standard has withdrawn.
    return page.replace('role="doc-biblioentry"', 'role="listitem"')


def _choose_icons(static):
    """Cut the icon font, and its rules in the theme's stylesheet, down to the icons in use."""
    from fontTools import subset

    scripts, sheet = static / "scripts", static / "styles" / "pydata-sphinx-theme.css"
    fonts = static / "vendor" / "fontawesome" / "webfonts"
    users = [*static.parent.rglob("*.html"), *scripts.glob("*-theme.js")]
    used = {name for file in users for name in re.findall(r"fa-[\w-]+", file.read_text("utf-8"))}
    css = re.sub(
        r"(?:\.fa-[\w-]+:before,?)+\{content:[^}]*\}",
        lambda rule: rule[0] if used & set(re.findall(r"fa-[\w-]+", rule[0])) else "",
        sheet.read_text("utf-8"),
    )
    # WOFF and not WOFF2, which would need one more package; with so few icons it is the same.
    options = subset.Options(flavor="woff", layout_features=[])
    font = subset.load_font(fonts / "fa-solid-900.ttf", options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes={int(code, 16) for code in re.findall(r"\\([ef][0-9a-f]{3})\b", css)})
    chosen.subset(font)
    subset.save_font(font, fonts / "fa-solid-900.woff", options)
    css = re.sub(
        r"url\([^)]*fa-solid-900\.woff2\)[^}]*",
        'url(../vendor/fontawesome/webfonts/fa-solid-900.woff) format("woff")',
        css,
    )
    sheet.write_text(css, "utf-8")
    (scripts / "fontawesome.js").unlink(missing_ok=True)


def _choose_rules(site):
    """Cut stylesheets down to rules for classes and names that a page, or a script, may have."""
    users = [*site.rglob("*.html"), *(site / "_static").rglob("*.js")]
    known = {word for file in users for word in re.findall(r"[\w-]+", file.read_text("utf-8"))}
    for sheet in STYLESHEETS:
        for path in (site / "_static").glob(sheet):
            rules = tinycss2.parse_stylesheet(path.read_text("utf-8"), True, True)
            path.write_text(tinycss2.serialize(_rules_for(known, rules)), "utf-8")


def _rules_for(known, rules):
    for rule in rules:
        if rule.type == "qualified-rule":
            choices = [each for each in _split_at_commas(rule.prelude) if _names(each) <= known]
            rule.prelude = _join_with_commas(choices)
        elif rule.type == "at-rule" and rule.at_keyword in ("media", "supports"):
            inner = tinycss2.parse_rule_list(rule.content, True, True)
            rule.content = list(_rules_for(known, inner))
        if rule.type != "qualified-rule" or rule.prelude:
            yield rule


def _split_at_commas(tokens):
    choices = [[]]
    for token in tokens:
        if token == ",":
            choices.append([])
        else:
            choices[-1].append(token)
    return choices


def _join_with_commas(choices):
    comma = tinycss2.ast.LiteralToken(0, 0, ",")
    return [token for choice in choices for token in (comma, *choice)][1:]


def _names(tokens):
    """Classes and names that a selector asks for; what is in `:not(...)` it does not ask for."""
    return {
        token.value
        for before, token in zip([None, *tokens], tokens, strict=False)
        if token.type == "hash" or (token.type == "ident" and before == ".")
    }


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
