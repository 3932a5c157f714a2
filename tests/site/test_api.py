"""The page of all functions: no module is missing there, and nothing that a module exports."""

import re
from importlib import import_module
from pathlib import Path

import instnorm
from instnorm_site import api

PAGE = Path(__file__).resolve().parents[2] / "book" / "api.md"
SHOWN = re.findall(r"^## (\S+)\n\n```{eval-rst}\n.. exports:: (\S+)$", PAGE.read_text(), re.M)


def test_every_module_has_a_section():
    assert [heading for heading, _ in SHOWN] == [module for _, module in SHOWN]
    modules = {f"instnorm.{name}" for name in instnorm._MODULES}
    assert {module for _, module in SHOWN} == modules | {"instnorm", "instnorm_checks"}
    assert len(SHOWN) == PAGE.read_text().count("exports::")


def test_everything_exported_is_described(built):
    page = (built / "api.html").read_text()
    described = 0
    for _, module in SHOWN:
        for name in import_module(module).__all__:
            if callable(getattr(import_module(module), name)):
                at = page.index(f'id="{module}.{name}"')
                assert "<p>" in page[at : page.index("</dl>", at)], name
                described += 1
    assert described > 70


def test_names_of_functions_lead_to_them(built):
    page = (built / "api.html").read_text()
    adain = page[page.index('id="instnorm.style.adain"') :]
    assert 'href="#instnorm.instance_norm"' in adain[: adain.index("</dl>\n</dd></dl>")]


def test_each_module_stands_in_the_index_once(built):
    index = (built / "genindex.html").read_text()
    for _, module in SHOWN:
        assert index.count(f'href="api.html#module-{module}"') == 1


def test_signs_of_docstrings_are_taken_for_what_they_are():
    lines = [
        "x : (N, C, *spatial) float array, with each *pixel* by itself",
        "mode : \"BN\" or 'zca-cor'; the images' own; w = 0, (1 - w) s', y = f(x'') from::",
        "",
        '    w\' = "BN"',
        "",
        "x's s'.",
    ]
    api._as_restructured_text(None, "function", "f", None, None, lines)
    assert [line.replace("\xa0", "~") for line in lines] == [
        r"x : (N,~C,~\*spatial) float array, with each *pixel* by itself",
        "mode : ``\"BN\"`` or ``'zca-cor'``; the images' own; w~=~0, (1~-~w) s′, y = f(x″) from::",
        "",
        '    w\' = "BN"',
        "",
        "x's s′.",
    ]
