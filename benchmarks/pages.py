"""The built site, page by page: how much it weighs, how soon it shows, how well it moves.

    python -m benchmarks.pages

Each page is opened in Chromium, in a window of 390 x 800 as a telephone's, from a server on this
machine, with the processor slowed down four times by the browser. Measured are

- the bytes until the page is at rest, before the reader does anything: as they are, and as they
  come from a server that compresses text (gzip), which is what web hosts do;
- the time to the largest paint, and the total blocking time, as it is usually defined: what long
  tasks take beyond 50 ms, after the first paint of any content; medians of five visits;
- the layout shift, as it is usually defined: the worst of all session windows, while the page loads
  and while the last visitor scrolls through it, five screens a second;
- for a page with explorables, the time from frame to frame while a slider of each is dragged for a
  second: the median and the 95th percentile of all of them. 16.7 ms are 60 frames a second. There
  is no graphics card behind this browser: the processor draws as well.

The results go to benchmarks/results/pages.json.
"""

import argparse
import functools
import gzip
import json
import shutil
import statistics
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

from playwright.sync_api import sync_playwright

from instnorm_site import gathered

from .surroundings import surroundings

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
RESULTS = Path(__file__).parent / "results" / "pages.json"
SLOWDOWN, VISITS = 4, 5
BARS = {"gzip_kB": 500, "largest_paint_ms": 1500, "blocking_ms": 150, "shift": 0.02, "frame_ms": 17}
COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".xml"}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

WATCH = """
  window.paint = 0;
  window.tasks = [];
  const watch = (type, note) => new PerformanceObserver(
    (list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  watch("largest-contentful-paint", (entry) => { paint = entry.startTime; });
  watch("longtask", (entry) => { tasks.push(entry); });
  // A session window ends after a second without a shift, or after five.
  const shifts = { first: -Infinity, last: -Infinity, sum: 0 };
  window.shift = 0;
  watch("layout-shift", ({ hadRecentInput, startTime, value }) => {
    if (hadRecentInput) return;
    if (startTime - shifts.last > 1000 || startTime - shifts.first > 5000)
      Object.assign(shifts, { first: startTime, sum: 0 });
    shifts.last = startTime;
    shifts.sum += value;
    shift = Math.max(shift, shifts.sum);
  });
  window.blocked = () => {
    const [first] = performance.getEntriesByName("first-contentful-paint");
    const after = tasks.map((task) => task.startTime + task.duration
      - Math.max(task.startTime, first.startTime) - 50);
    return after.reduce((sum, each) => sum + Math.max(0, each), 0);
  };
"""

SCROLL = """() => new Promise((done) => {
  const on = () => {
    const before = scrollY;
    scrollBy({ top: innerHeight, behavior: "instant" });
    if (scrollY === before) return done(shift);
    setTimeout(on, 200);
  };
  on();
})"""

DRAG = """(slider) => new Promise((done) => {
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const times = [];
  const move = (now) => {
    times.push(now);
    if (now - times[0] > 1000) return done(times.slice(1).map((time, k) => time - times[k]));
    slider.value = low + (high - low) * (0.5 + 0.5 * Math.sin((now - times[0]) / 200));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    requestAnimationFrame(move);
  };
  requestAnimationFrame(move);
})"""


class Server(SimpleHTTPRequestHandler):
    """Serves files and notes for each its bytes, and its bytes after compression."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.is_file():
            content = path.read_bytes()
            packed = gzip.compress(content, 6) if path.suffix in COMPRESSED else content
            self.server.sent.append((len(content), len(packed)))
        super().do_GET()

    def log_message(self, *args):
        pass


def visit(browser, url):
    """A page at rest: (page, largest paint in ms, blocking time in ms)."""
    telephone = {"viewport": {"width": 390, "height": 800}, "service_workers": "block"}
    page = browser.new_context(**telephone).new_page()
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    page.add_init_script(WATCH)
    page.goto(url, wait_until="networkidle")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    return page, *page.evaluate("[paint, blocked()]")


def frames(page):
    """Times between frames while the sliders are dragged."""
    times = []
    for box in page.locator(".explorable").all():
        box.scroll_into_view_if_needed()
        slider = box.locator("input[type=range]").first
        page.wait_for_function("(box) => 'mounted' in box.dataset", arg=box.element_handle())
        if slider.count():
            times += slider.evaluate(DRAG)
    return times


def measure(browser, server, name):
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    paints, blocks = [], []
    for _ in range(VISITS):
        server.sent = []
        page, paint, blocked = visit(browser, url)
        weights = [sum(sizes) for sizes in zip(*server.sent, strict=True)]
        paints.append(paint)
        blocks.append(blocked)
        if len(paints) == VISITS:
            shift = page.evaluate(SCROLL)
            moved = frames(page)
        page.context.close()
    row = {
        "page": name,
        "plain_kB": round(weights[0] / 1000),
        "gzip_kB": round(weights[1] / 1000),
        "largest_paint_ms": round(statistics.median(paints)),
        "blocking_ms": round(statistics.median(blocks)),
        "shift": round(shift, 3),
    }
    if moved:
        row["frame_ms"] = round(statistics.median(moved), 1)
        row["frame_95_ms"] = round(statistics.quantiles(moved, n=20)[-1], 1)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--site", type=Path, default=SITE, help="the folder of the built book")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("pages", nargs="*", help="such as principles/limits.html; default: all")
    options = parser.parse_args()
    pages = options.pages or [
        address.text.split("/", 3)[-1]
        for address in ElementTree.parse(options.site / "sitemap.xml").findall("*/{*}loc")
    ]
    chromium = next(filter(None, map(shutil.which, gathered.BROWSERS)), None)
    handler = functools.partial(Server, directory=options.site)
    rows = []
    columns = ("plain_kB", *BARS, "frame_95_ms")
    print(f"{'page':38}", *(f"{column:>17}" for column in columns))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=chromium, args=QUIET) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in sorted(pages):
            rows.append(row := measure(browser, server, name))
            missed = [column for column, bar in BARS.items() if row.get(column, 0) > bar]
            cells = (
                f"{row.get(column, ''):>16}{'!' if column in missed else ' '}" for column in columns
            )
            print(f"{name:38}", *cells, flush=True)
        server.shutdown()
    print("! misses its bar:", ", ".join(f"{column} {bar}" for column, bar in BARS.items()))
    report = {
        **surroundings("benchmarks.pages"),
        "slowdown of the processor": SLOWDOWN,
        "visits": VISITS,
        "bars": BARS,
        "pages": rows,
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")


if __name__ == "__main__":
    main()
