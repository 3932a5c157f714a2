"""Open to every reader: the keyboard reaches everything, and nothing moves that need not.

What axe-core says of each page is in test_pages.py.
"""


def focused(page):
    """What has the focus: (text, it is on the screen, it is marked)."""
    return page.evaluate(
        """() => {
          const e = document.activeElement;
          if (e === document.body) return ["BODY", true, true];  // the end of the page
          const { left, right, top, bottom, width } = e.getBoundingClientRect();
          const style = getComputedStyle(e);
          const inside = right > 0 && left < innerWidth && bottom > 0 && top < innerHeight;
          const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
          const marked = ring || style.boxShadow !== "none";
          const label = e.ariaLabel || e.innerText || e.labels?.[0]?.innerText || e.title;
          return [(label || e.tagName).trim(), inside && width > 0, marked];
        }"""
    )


def test_keyboard_reaches_everything_and_shows_where_it_is(visit):
    page = visit("principles/the-algorithm.html", reduced_motion="reduce")
    page.locator(".explorable").scroll_into_view_if_needed()
    page.wait_for_selector(".explorable[data-mounted]")
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.press("Tab")
    assert focused(page) == ["Skip to main content", True, True]
    stops = []
    while "BODY" not in (stops[-1] if stops else []):
        page.keyboard.press("Tab")
        stops.append(focused(page))
        assert len(stops) < 200, "the focus is caught"
    names = {name.split("\n")[0] for name, _, _ in stops}
    assert {"Instance Normalization", "Notation", "Search", "Contrast a", "Reset"} <= names
    assert any("color mode" in name.lower() for name in names)  # as the theme spells it
    assert not [stop for stop in stops if not (stop[1] and stop[2])]


def test_skip_link_leads_past_the_contents(visit):
    page = visit("principles/the-algorithm.html")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_theme_changes_by_keyboard(visit):
    page = visit("index.html", color_scheme="light")
    seen = set()
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.press("Enter")
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}


def test_contents_open_and_close_by_keyboard_on_a_telephone(visit):
    page = visit("index.html", width=390)
    link = page.get_by_role("link", name="2. The algorithm", exact=True).first
    assert not link.is_visible()
    page.locator(".primary-toggle:visible").first.press("Enter")
    link.wait_for()
    page.keyboard.press("Escape")
    link.wait_for(state="hidden")


def test_nothing_moves_for_whom_motion_is_reduced(visit):
    page = visit("principles/the-algorithm.html", reduced_motion="reduce")
    page.locator(".explorable").scroll_into_view_if_needed()
    page.locator(".explorable[data-mounted]").wait_for()
    moving = page.evaluate(
        """() => {
          const moves = (style) => style.animationName !== "none"
            || parseFloat(style.transitionDuration) > 0 || style.scrollBehavior === "smooth";
          return [...document.querySelectorAll("*")]
            .filter((e) => [null, "::before", "::after"].some((p) => moves(getComputedStyle(e, p))))
            .map((e) => e.outerHTML.slice(0, 100));
        }"""
    )
    assert not moving


def test_what_has_the_focus_stays_in_sight_when_the_questions_come(visit):
    """They come when the reader is near, and stand above the links to other pages."""

    def late(page):
        def answer(route):
            page.wait_for_timeout(1000)
            route.continue_()

        page.route("**/questions-*.json", answer)

    page = visit("principles/the-algorithm.html", watch=late, reduced_motion="reduce")
    page.locator("a.left-prev").focus()
    page.wait_for_timeout(500)  # for what is near now to be laid out
    before = page.locator("a.left-prev").bounding_box()["y"]
    page.locator("form.question").first.wait_for()
    assert abs(page.locator("a.left-prev").bounding_box()["y"] - before) < 2
    assert focused(page)[1]
