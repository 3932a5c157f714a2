"""The pages read from a folder, with no server at all, as on a school machine without internet."""

import pytest

pytestmark = pytest.mark.whole_browser


@pytest.fixture
def from_folder(browser, built):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    requests, said = [], []
    context.on("console", lambda message: said.append(message.text))
    context.on("request", lambda request: requests.append(request.url))

    def open_page(name):
        page = context.new_page()
        page.goto((built / name).as_uri())
        return page

    yield open_page
    assert requests
    assert all(request.startswith(("file:", "data:", "blob:")) for request in requests)
    # What keeps the book and installs it needs a server, and does not complain that there is none.
    assert not [text for text in said if "manifest" in text or "orker" in text]
    context.close()


def test_mathematics_icons_and_links_need_no_server(from_folder):
    page = from_folder("index.html")
    page.get_by_role("link", name="2. The algorithm", exact=True).first.click()
    page.wait_for_url("**/principles/the-algorithm.html")
    assert page.locator(".bd-article .math .katex-html").count() > 10
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate(
        "[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)"
    )
    assert "KaTeX_Math" in loaded
    assert any("Awesome" in family for family in loaded)


def test_explorables_leave_their_figures(from_folder):
    """A browser imports no module from a folder, so that the figures do not move there."""
    page = from_folder("principles/the-algorithm.html")
    page.locator(".explorable").first.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    assert page.locator(".explorable-fallback svg.figure").first.is_visible()
    assert page.get_by_text("A still of a figure").first.is_visible()


def test_search_needs_no_server(from_folder):
    page = from_folder("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("whitening")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=whitening")
    page.locator("#search-results li a").first.wait_for()
