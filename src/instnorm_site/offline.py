"""A Sphinx extension: the book without a network after one visit, and installed like a program.

A service worker at the root of the site, ``book/offline/service-worker.js``, is told here which
files there are and what is in them. It changes whenever a file does; so the copies that browsers
hold are never older than the last visit.
"""

import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path

from PIL import Image, ImageDraw

from instnorm_lab import style

WORKER = "service-worker.js"
MANIFEST = "manifest.webmanifest"
#: What is copied at the first visit: all that is read, and the exercises but for Python itself.
AHEAD = {".html", ".css", ".js", ".json", ".woff", ".woff2", ".svg", ".png", ".jpg"}
#: Large, and kept once it has been used: Python, the network of an explorable, data of chapters.
LATER = re.compile(r"_static/(python/|onnxruntime/|data/|[^/]*\.(whl|onnx)$)")
#: Not needed for reading: cards of links, files to be taken away, and what no page loads.
NEITHER = re.compile(
    r"_downloads/|_static/(cards/|locales/|vendor/.*\.woff2$|[^/]*\.html$)|service-worker\.js$"
)
SIZES = (192, 512)


def setup(app):
    app.connect("config-inited", _configure, priority=700)
    app.connect("build-finished", _finish, priority=990)  # when all other files are there
    app.add_js_file("offline.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app, config):
    config.html_static_path.append(str(Path(app.srcdir) / "offline" / "offline.js"))


def _finish(app, error):
    if error is None and app.builder.format == "html":
        site = Path(app.outdir)
        draw_icons(site / "_static")
        (site / MANIFEST).write_text(json.dumps(manifest(app.config.html_title)), "utf-8")
        source = Path(app.srcdir) / "offline" / WORKER
        (site / WORKER).write_text(source.read_text("utf-8"), "utf-8")
        renew(site)


def manifest(title):
    """What a browser has to know to install the book. All addresses are seen from the manifest."""
    icons = [
        {"src": f"_static/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png",
         "purpose": purpose}
        for size in SIZES
        for purpose in ("any", "maskable")
    ]  # fmt: skip
    return {
        "name": title,
        "short_name": "Instance norm",
        "lang": "en",
        "start_url": "index.html",
        "scope": "./",
        "display": "standalone",
        "display_override": ["minimal-ui"],  # with a way back
        "background_color": style.LIGHT["paper"],
        "theme_color": style.LIGHT["paper"],
        "icons": icons,
    }


def draw_icons(folder):
    """Write the mark of the book, half ink and half vermilion, as PNG."""
    for size in SIZES:
        big = 4 * size
        sheet = Image.new("RGB", (big, big), style.LIGHT["paper"])
        pen = ImageDraw.Draw(sheet)
        box = [0.18 * big, 0.18 * big, 0.82 * big, 0.82 * big]  # clear of what a mask cuts away
        pen.pieslice(box, 90, 270, style.LIGHT["ink"])
        pen.pieslice(box, 270, 90, style.LIGHT["vermilion"])
        sheet.resize((size, size), Image.Resampling.LANCZOS).save(folder / f"icon-{size}.png")


def renew(site):
    """Tell the service worker of a built site what its files are; again when one has changed."""
    site = Path(site)
    found = {"ahead": {}, "later": {}}
    for path in sorted(path for path in site.rglob("*") if path.is_file()):
        name = path.relative_to(site).as_posix()
        if NEITHER.match(name):
            continue
        if LATER.match(name):
            found["later"][name] = _hash(path)
        elif path.suffix in AHEAD or name == MANIFEST:
            found["ahead"][name] = _hash(path)
    before, slot, rest = (site / WORKER).read_text("utf-8").partition("const BUILD = ")
    after = rest.partition(";")[2]
    version = hashlib.sha256((before + after + json.dumps(found)).encode()).hexdigest()[:12]
    told = json.dumps({"version": version, **found}, separators=(",", ":"))
    (site / WORKER).write_text(f"{before}{slot}{told};{after}", "utf-8")


def _hash(path):
    return b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
