"""Aids to reading: what a reference leads to is shown beside it, and keys turn the pages."""

import pytest


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("a.reference[href='#equation-in-normalise']", "(2.3)"),
        ("a.reference[href='#fig-three-steps']", "Fig. 2.2"),
        ("a.reference[href*='bibliography.html#']", "Ulyanov"),
        ("a.reference[href*='glossary.html#']", ""),
    ],
)
def test_a_reference_shows_what_it_leads_to(visit, link, says):
    page = visit("principles/the-algorithm.html")
    tip = page.get_by_role("tooltip")
    place = page.locator(f".bd-article {link}").first
    place.hover()
    tip.wait_for()
    assert says in tip.inner_text()
    assert tip.inner_text().strip()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Escape")
    assert tip.count() == 0
    assert len(set(page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)"))) == (
        page.evaluate("document.querySelectorAll('[id]').length")
    )


def test_a_preview_comes_with_the_focus_stays_under_the_pointer_and_goes(visit):
    page = visit("principles/the-algorithm.html")
    link = page.locator(".bd-article a.reference[href='#fig-three-steps']").first
    tip = page.get_by_role("tooltip")
    page.keyboard.press("Tab")
    link.focus()
    tip.wait_for()
    assert link.get_attribute("aria-describedby") == "preview"
    page.keyboard.press("Tab")
    tip.wait_for(state="detached")
    assert link.get_attribute("aria-describedby") is None
    link.hover()
    tip.wait_for()
    tip.hover()
    page.wait_for_timeout(400)
    assert tip.count() == 1
    page.mouse.move(5, 5)
    tip.wait_for(state="detached")


def test_a_finger_follows_a_link_at_once(visit):
    page = visit("principles/the-algorithm.html", width=390, has_touch=True, is_mobile=True)
    page.locator(".bd-article a.reference[href='#fig-three-steps']").first.tap()
    page.wait_for_url("**#fig-three-steps")
    page.wait_for_timeout(400)
    assert page.get_by_role("tooltip").count() == 0


def test_arrows_turn_the_pages_unless_something_else_takes_them(visit, site):
    page = visit("principles/the-algorithm.html")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/principles/invariance.html")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/principles/the-algorithm.html")
    here = page.url
    for taken in (".ex [type=range]", "pre[tabindex='0']"):
        page.locator("[data-explorable]").first.scroll_into_view_if_needed()
        page.locator(taken).first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
        assert page.url.partition("?")[0] == here
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Alt+Shift+ArrowRight")
    assert page.url.partition("?")[0] == here


def test_the_line_between_the_pictures_moves_by_keyboard_and_pointer(visit):
    page = visit("index.html")
    box, slider = page.locator(".compare"), page.get_by_role("slider")

    def cut():
        return box.evaluate("(e) => getComputedStyle(e).getPropertyValue('--cut')")

    assert cut() == "50%"
    slider.press("ArrowRight")
    assert cut() == "51%"
    size = slider.bounding_box()
    page.mouse.click(size["x"] + 0.2 * size["width"], size["y"] + size["height"] / 2)
    assert 15 < float(cut().rstrip("%")) < 25
    picture = page.locator(".compare-before")
    assert picture.evaluate("(e) => getComputedStyle(e).opacity") == "1"
    page.get_by_role("radio", name="in fog").press("Space")
    light = (
        "(e) => [getComputedStyle(e).opacity, getComputedStyle(e.parentElement).backgroundColor]"
    )
    assert picture.evaluate(light) == ["0.25", "rgb(204, 204, 204)"]  # 0.25 x + 0.75 · 0.8


def test_both_pictures_are_there_without_javascript(visit):
    page = visit("index.html", java_script_enabled=False)
    assert page.locator(".compare-before").is_visible()
    assert page.locator(".compare-after").is_visible()
    page.get_by_role("radio", name="at dusk").check()
    assert page.locator(".compare-before").evaluate("(e) => getComputedStyle(e).opacity") == "0.3"
    assert not page.get_by_role("slider").is_visible()


def test_the_pictures_are_the_same_in_the_dark(visit):
    page = visit("index.html", color_scheme="dark")
    shown = page.locator(".compare-pictures > img").evaluate_all(
        """(all) => all.map((e) => getComputedStyle(e))
             .map((s) => [s.filter, s.padding, s.backgroundColor])"""
    )
    assert shown == 2 * [["none", "0px", "rgba(0, 0, 0, 0)"]]
