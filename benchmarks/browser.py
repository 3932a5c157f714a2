"""Exercises done on their pages: how soon Python answers, and how long a check takes.

    python -m benchmarks.browser

Chromium opens the built site from a server on this machine, at the processor's own speed. Measured
are

- the first visit: from the press on "Write it here" to the report of a check, in a browser that has
  nothing of the site in its store; medians of five, each in a browser of its own;
- a later visit: the same once the browser has stored what it loaded;
- a check, once Python runs: each exercise's solution, three times, on its public cases; the median
  of all, and the slowest exercise's.

The results go to benchmarks/results/browser.json.
"""

import argparse
import json
import shutil
import statistics
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

from instnorm_judge.assignments import source_notebook
from instnorm_site import exercises, gathered

from .surroundings import surroundings

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
RESULTS = Path(__file__).parent / "results" / "browser.json"
PAGE, EXERCISE = "hands-on/the-algorithm.html", "instance-norm"
VISITS, TIMES = 5, 3
BARS = {"first_visit_s": 6, "check_s": 0.3}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

ASK = """async (requests) => {
  const { python } = await import("../_static/python.js");
  await python.start();
  const seconds = [];
  for (const request of requests) {
    const start = performance.now();
    const answer = await python.ask(request, { seconds: 120 });
    if (!(answer.points > 0 && answer.points === answer.of)) throw new Error(answer.text);
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
}"""


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def start(page, url):
    """Seconds from the press on the button to the report of a check."""
    page.goto(url, wait_until="networkidle")
    box = page.locator(f".exercise[data-id={EXERCISE}]")
    before = time.monotonic()
    box.locator(".xr-start").click()
    box.get_by_role("button", name="Check", exact=True).click()
    box.locator(".xr-report > *").first.wait_for(timeout=120_000)
    return time.monotonic() - before


def requests():
    """By id, a request to check an exercise's solution, after those of the exercises before."""
    found = {}
    for name, path in exercises.notebooks(ROOT).items():
        cells = source_notebook(ROOT / f"solutions/{name}/{name}.md").cells
        source = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in cells}
        earlier = []
        for exercise_id, about in exercises.described(path).items():
            if about["needs"]:
                continue
            found[exercise_id] = {
                "do": "check", "exercise_id": exercise_id, "before": about["before"],
                "earlier": [*earlier], "source": source[f"{exercise_id}-answer"],
                "after": about["after"],
            }  # fmt: skip
            earlier.append(source[f"{exercise_id}-answer"])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--site", type=Path, default=SITE, help="the folder of the built book")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, gathered.BROWSERS)), None)
    first, later = [], []
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=options.site)) as server,
        sync_playwright() as driver,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{PAGE}"
        for _ in range(VISITS):
            with driver.chromium.launch(executable_path=chromium, args=QUIET) as browser:
                version, context = browser.version, browser.new_context()
                first.append(start(context.new_page(), url))
                page = context.new_page()
                later.append(start(page, url))
                if len(first) == VISITS:
                    asked = requests()
                    times = page.evaluate(
                        ASK, [each for each in asked.values() for _ in range(TIMES)]
                    )
        server.shutdown()
    by_id = {
        exercise_id: statistics.median(times[TIMES * k : TIMES * (k + 1)])
        for k, exercise_id in enumerate(asked)
    }
    slowest = max(by_id, key=by_id.get)
    report = {
        **surroundings("benchmarks.browser"),
        "browser": f"Chromium {version}",
        "visits": VISITS,
        "checks": len(times),
        "bars": BARS,
        "first_visit_s": round(statistics.median(first), 2),
        "slowest_first_visit_s": round(max(first), 2),
        "later_visit_s": round(statistics.median(later), 2),
        "check_s": round(statistics.median(times), 3),
        "slowest_exercise": slowest,
        "slowest_exercise_s": round(by_id[slowest], 3),
    }
    for name, value in report.items():
        missed = name in BARS and value > BARS[name]
        print(f"{name:24} {value}{'  ! misses its bar' if missed else ''}")
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")


if __name__ == "__main__":
    main()
