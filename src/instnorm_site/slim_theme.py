"""Leave out what the theme makes every reader load, or every browser do, and no page needs.

The theme serves all that any book might use: 1.5 MB of icons, 3000 style rules, and on every page
the index for the search. Some of what it does makes the browser lay out or style a page twice.
`benchmarks/pages.py` measures what this saves.
"""

import json
import re

import tinycss2
from fontTools import subset
from sphinx.errors import ExtensionError

# The theme chooses light or dark only after the page has been laid out, which styles it twice.
LIGHT_OR_DARK = (
    'document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";',
    "document.documentElement.dataset.theme = "
    '({light: "light", dark: "dark"})[document.documentElement.dataset.mode] || '
    '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");',
)

# Names, punctuation and white space have the colour of the code around them. Their elements are a
# third of all on a page, and change nothing.
PLAIN = ("n", "p", "w")
PLAIN_CODE = re.compile(rf'<span class="(?:{"|".join(PLAIN)})">([^<]*)</span>')

# Stylesheets of the theme and of extensions.
OURS = ("site.css", "explorable.css")
GENERAL = ("styles/*.css", "sphinx-design.min.css", "mystnb.*.css")

# When a page has come, the theme's script measures whether each block of code can be scrolled, and
# so must be reachable by keyboard. For that all of them have to be laid out. `reading.js` measures
# those that are near. Until then, and without scripts, all blocks are reachable.
SCROLLABLE_BLOCKS = (
    ('"complete"===document.readyState?I():window.addEventListener("load",I)', "void I"),
)

# A block of code gets its button to copy it when it has come near the screen.
COPY_BUTTONS = (
    (
        "codeCells.forEach((codeCell, index) => {",
        """let made = 0
  const come = ({ isIntersecting, target }) => {
    if (!isIntersecting) return
    near.unobserve(target)
    button(target, made++)
  }
  const near = new IntersectionObserver((all) => all.forEach(come), { rootMargin: '100%' })
  codeCells.forEach((codeCell) => near.observe(codeCell))
  function button(codeCell, index) {""",
    ),
    (
        "insertAdjacentHTML('afterend', clipboardButton(id))\n  })",
        "insertAdjacentHTML('afterend', clipboardButton(id))\n  }",
    ),
)

# Scripts that a page has no use for, by what of it they are about. Bootstrap's is here for the
# theme's tooltips alone, in place of which the browser shows titles.
IDLE_SCRIPTS = {
    r"scripts/bootstrap\.js": None,
    r"scripts/fontawesome\.js": None,
    r"(?:clipboard\.min|copybutton)\.js": 'class="highlight"',
    r"design-tabs\.js": 'class="sd-tab-set',
}
SEARCHING = r"(?:searchtools|language_data|searchindex)\.js"


# What is folded up, by what comes after it.
FOLD = re.compile(
    r'<summary aria-label="Toggle hidden content">\s*<p class="collapsed[^>]*>[^<]*</p>\s*'
    r'<p class="expanded[^>]*>[^<]*</p>\s*</summary>(?=.*?</details>(?P<after>.{0,400}))',
    re.DOTALL,
)

# In what the search says of a page, code and LaTeX are no help, nor is what stands above its title;
# and a letter is found by its name, as which formulas hold it.
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ϵ": "epsilon",
    "η": "eta", "θ": "theta", "λ": "lambda", "μ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "φ": "phi", "ω": "omega",
}  # fmt: skip
LETTERS = {name: [each for each in GREEK if GREEK[each] == name] for name in GREEK.values()}
SEARCH = (
    ('[".headerlink", "script", "style"]',
     '[".headerlink", "script", "style", ".katex-mathml", "div.highlight", "svg", "footer", '
     '".margin-note", "summary"]'),
    ('querySelector(`[role="main"] ${anchor}`)', "querySelector(`main ${anchor}`)"),
    ("querySelector('[role=\"main\"]')", 'querySelector("article")'),
    ("Search.htmlToText(htmlText, anchor);",
     'Search.htmlToText(htmlText, anchor).replace(/\\s+/g, " ").trim();'),
    ("[...keywords]\n      .map((k) =>",
     "[...keywords]\n      "
     f".flatMap((k) => [...({json.dumps(LETTERS, ensure_ascii=False)}[k] ?? []), k])"
     "\n      .map((k) =>"),
    ("Math.max(actualStartPosition - 120, 0)", "Math.max((actualStartPosition ?? 0) - 120, 0)"),
    ("var splitQuery = (query) => query\n",
     f"const GREEK = {json.dumps(GREEK, ensure_ascii=False)};\n  var splitQuery = (query) => query"
     f"\n      .replace(/[{''.join(GREEK)}]/g, (letter) => GREEK[letter])\n"),
)  # fmt: skip


def page(text, name):
    """A page's HTML, lighter, and with its landmarks and folds named."""
    text = FOLD.sub(_named_fold, text)
    text = re.sub(r"<title>(.*?) &#8212; \1</title>", r"<title>\1</title>", text)
    # Its words are its name.
    text = re.sub(
        r'(<button class="btn search-button-field[^>]*?)\s*aria-label="Search"', r"\1", text
    )
    text = re.sub(r"<button (?![^>]*\btype=)", '<button type="button" ', text)
    # The colours of code are in site.css.
    text = re.sub(r"\s*<link [^>]*pygments\.css[^>]*>", "", text)
    text = PLAIN_CODE.sub(r"\1", text.replace(*LIGHT_OR_DARK))
    text = re.sub(r"<pre\b(?![^>]*\btabindex=)", '<pre tabindex="0"', text)
    text = _scripts(text, name)
    text = text.replace(
        '<div id="pst-primary-sidebar" class="',
        '<div id="pst-primary-sidebar" role="region" aria-label="Book" class="',
    )
    # A role that the standard has withdrawn.
    return text.replace('role="doc-biblioentry"', 'role="listitem"')


def _scripts(text, name):
    """Only the scripts that this page needs, none of which keeps it from being shown."""
    for script, about in IDLE_SCRIPTS.items():
        if about is None or about not in text:
            text = re.sub(rf"\s*<(?:script|link) [^>]*{script}[^>]*>(?:</script>)?", "", text)
    text = re.sub(r' data-bs-title="([^"]*)"', r' title="\1"', text)
    text = re.sub(r'\s+data-bs-\w+="[^"]*"', "", text)
    if name == "search.html":
        return text  # where they rely on each other as they are
    text = re.sub(rf'\s*<script src="[^"]*{SEARCHING}[^"]*"></script>', "", text)
    # These options are of a search that this book does without.
    text = re.sub(r"\s*<script>DOCUMENTATION_OPTIONS\.[^<]*</script>", "", text)
    return re.sub(r"<script (?![^>]*\bdefer\b)(?=[^>]*\bsrc=)", "<script defer ", text)


def _named_fold(match):
    after = re.split(r'<details|<div class="cell[ "]', match["after"])[0]  # what this cell gave
    if "data-explorable" in after:
        name = "How it is made"
    elif "<figure" in after or "<svg" in after:
        name = "How the figure is drawn"
    elif "output" in after:
        name = "How it is computed"
    else:
        name = "What the code below needs"
    return f"<summary>{name}</summary>"


def static_files(site):
    """Lighten what pages load. Raises ExtensionError if the theme is not the one known here."""
    static = site / "_static"
    for script in ("bootstrap.js", "fontawesome.js"):
        (static / "scripts" / script).unlink(missing_ok=True)
    _script(static / "scripts" / "pydata-sphinx-theme.js", SCROLLABLE_BLOCKS)
    _script(static / "copybutton.js", COPY_BUTTONS)
    _script(static / "searchtools.js", SEARCH)
    users = [*site.rglob("*.html"), *static.rglob("*.js")]
    known = {word for file in users for word in re.findall(r"[\w-]+", file.read_text("utf-8"))}
    for sheet in (path for pattern in GENERAL for path in static.glob(pattern)):
        rules = tinycss2.parse_stylesheet(sheet.read_text("utf-8"), True, True)
        sheet.write_text(tinycss2.serialize(_rules_for(known, rules)), "utf-8")
    for name in OURS:
        css = (static / name).read_text("utf-8")
        css = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))
        (static / name).write_text(css, "utf-8")
    _icons(static / "styles" / "pydata-sphinx-theme.css", static / "vendor/fontawesome/webfonts")


def _script(path, changes):
    text = path.read_text("utf-8")
    if all(after in text for _, after in changes):
        return  # already done, by an earlier build
    for before, after in changes:
        if text.count(before) != 1:
            raise ExtensionError(f"{path.name} no longer says {before}")
        text = text.replace(before, after)
    path.write_text(text, "utf-8")


def _rules_for(known, rules):
    """Those rules that can concern an element whose classes and ids are all among `known`."""
    for rule in rules:
        if rule.type == "at-rule" and rule.at_keyword in ("media", "supports"):
            inner = tinycss2.parse_rule_list(rule.content, True, True)
            rule.content = list(_rules_for(known, inner))
        if rule.type != "qualified-rule" or any(_asked(each) <= known for each in _choices(rule)):
            yield rule


def _choices(rule):
    """The selectors of a rule, which commas separate, as lists of tokens."""
    choices = [[]]
    for token in rule.prelude:
        if token == ",":
            choices.append([])
        else:
            choices[-1].append(token)
    return choices


def _asked(selector):
    """The classes and ids that a selector requires; those in `:not(...)` are not among them."""
    return {
        token.value
        for before, token in zip([None, *selector], selector, strict=False)
        if token.type == "hash" or (token.type == "ident" and before == ".")
    }


def _icons(sheet, fonts):
    """Cut the icon font down to the icons that the stylesheet still names."""
    css = sheet.read_text("utf-8")
    # WOFF and not WOFF2, which would need one more package; with so few icons it is the same.
    options = subset.Options(flavor="woff", layout_features=[])
    font = subset.load_font(fonts / "fa-solid-900.ttf", options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes={ord(icon) for icon in re.findall("[\ue000-\uf8ff]", css)})
    chosen.subset(font)
    subset.save_font(font, fonts / "fa-solid-900.woff", options)
    css = re.sub(
        r"url\([^)]*fa-solid-900\.woff2\)[^}]*",
        'url(../vendor/fontawesome/webfonts/fa-solid-900.woff) format("woff")',
        css,
    )
    sheet.write_text(css, "utf-8")
