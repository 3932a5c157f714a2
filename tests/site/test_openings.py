"""Chapters open with their number, question and picture, and the first page shows them all."""

from pathlib import Path

import yaml

from instnorm_site import openings, pictures

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
CHAPTERS = [
    each["file"] for part in TOC["parts"] if part.get("numbered") for each in part["chapters"]
]


def test_each_chapter_has_a_question_and_a_picture():
    said = openings.chapters(ROOT / "book")
    assert list(said) == CHAPTERS
    assert set(pictures.DRAWN) == set(CHAPTERS)
    assert all(about["question"].endswith("?") for about in said.values())
    assert all(len(about["picture"]) > 20 for about in said.values())


def test_numbers_on_the_first_page_are_those_of_the_chapters(visit):
    page = visit("index.html")
    cards = page.locator("ol.chapters a")
    addresses = [card.get_attribute("href") for card in cards.all()]
    assert addresses == [f"{chapter}.html" for chapter in CHAPTERS]
    for k in (1, 2, len(CHAPTERS) - 1):
        page = visit(addresses[k])
        assert page.locator("h1 .section-number").inner_text().strip() == f"{k + 1}."
        assert page.locator(".opening svg[role=img]").is_visible()
        captions = page.locator("figcaption .caption-number").all_text_contents()
        assert all(text.startswith(f"Fig. {k + 1}.") for text in captions)
