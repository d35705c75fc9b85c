"""The site as a whole: what it refers to is there, it asks no other host, and no text in it is taken for markup."""

from __future__ import annotations

import json
import posixpath
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from report.reports import file, package, report, variant
from wvforge_dagster.core.state import State
from wvforge_dagster.report.model import Change, Report
from wvforge_dagster.report.site import site_files

HOSTILE = "<script>alert(1)</script>\"'></td>&{{ 7 * 7 }}"


class _Page(HTMLParser):
    """Addresses, anchors, and the elements that are still open."""

    VOID = frozenset(("meta", "link", "input", "br", "col", "img"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.attributes |= values.keys()
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        elif values.get("href") or values.get("src"):
            self.loaded.append(str(values.get("href") or values.get("src")))
        if values.get("id"):
            assert values["id"] not in self.anchors, f"two elements are called {values['id']}"
            self.anchors.add(str(values["id"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def made() -> Report:
    columns = ("13.0|3.12", "13.0|3.13")
    stale = Change(where="a.patch", what="content", old="1", new="2")
    return report(
        package("base"),
        package(
            "cu",
            variant("cu", columns[0], State.STALE, changes=(stale,), channels=()),
            variant("cu", columns[1], State.FAILED, last_lines=HOSTILE, reason=HOSTILE, files=()),
            needs=("base",),
            level=1,
            summary=HOSTILE,
            homepage="javascript:alert(1)",
        ),
        package("gone", variant("gone", "12.0|3.9", State.RETIRED, install=()), recipe=None, level=None, version=None),
    )


@pytest.fixture(scope="module")
def site(made: Report) -> dict[str, str]:
    return dict(site_files(made, logs="../"))


@pytest.fixture(scope="module")
def pages(site: dict[str, str]) -> dict[str, _Page]:
    found = {name: _Page(text) for name, text in site.items() if name.endswith(".html")}
    assert not [name for name, page in found.items() if page.open]
    return found


def test_every_address_leads_to_a_file_and_an_anchor_of_the_site(site: dict[str, str], pages: dict[str, _Page]) -> None:
    for name, page in pages.items():
        for address in [*page.links, *page.loaded]:
            path, _, anchor = address.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path))) if path else name
            if path.startswith("https://") or target.startswith("../logs/"):
                continue
            assert target in site, f"{name}: {address}"
            assert not anchor or anchor in pages[target].anchors, f"{name}: {address}"


def test_no_page_loads_anything_of_another_host_or_has_script_or_style_of_its_own(
    site: dict[str, str], pages: dict[str, _Page]
) -> None:
    for name, page in pages.items():
        assert not [address for address in page.loaded if "//" in address], name
        assert "style" not in page.attributes, name
        assert not [attribute for attribute in page.attributes if attribute.startswith("on")], name
        assert re.search(r"Content-Security-Policy\" content=\"default-src 'none'", site[name]), name
    assert "@import" not in site["static/report.css"] and "url(" not in site["static/report.css"]


def test_what_recipes_and_compilers_say_is_text_and_nothing_else(site: dict[str, str], pages: dict[str, _Page]) -> None:
    for name, text in site.items():
        if name.endswith(".html"):
            assert "<script>" not in text, name
            assert "javascript:" not in [link.partition("alert")[0] for link in pages[name].links], name
    assert "{{ 7 * 7 }}" in site["package/cu.html"]
    assert "\\<script\\>" in site["migration/13.0.md"]


def test_details_are_data_that_a_script_of_the_site_is_called_with(made: Report, site: dict[str, str]) -> None:
    text = site["data/0.js"]
    packages, said, _ = json.loads(text.removeprefix("wvforgeDetails(").removesuffix(");\n"))
    name, logs, variants = packages["cu"]
    assert (name, logs) == ("cu", "logs/cu/")
    assert variants["13.0|3.12"]["c"] == [["a.patch", "content", "1", "2"]]
    assert said[variants["13.0|3.13"]["r"]] == HOSTILE
    assert variants["13.0|3.13"]["e"] == HOSTILE


def test_the_matrix_has_a_cell_for_each_column_and_names_what_is_retired(site: dict[str, str]) -> None:
    page = site["index.html"]
    base = re.search(r"<tr data-d=\"0\">.*?>base<.*?</tr>", page, re.DOTALL)
    assert base and 'colspan="2"' in base.group()
    assert re.findall(r'<td class="(\w+)"><a href="package/cu.html#([\w.-]+)">', page) == [
        ("stale", "v-13.0_3.12"),
        ("failed", "v-13.0_3.13"),
    ]
    assert "gone[12.0|3.9]" in page


def test_logs_are_linked_only_where_they_can_be_read(made: Report) -> None:
    elsewhere = dict(site_files(made, logs=None))
    assert not [name for name, text in elsewhere.items() if 'href="../logs' in text or 'href="../../logs' in text]
    assert "logs/base/all/1.log" in elsewhere["package/base.html"]


def test_a_report_of_an_empty_forge_has_all_its_pages() -> None:
    empty = dict(
        site_files(report(package("a")).model_copy(update={"packages": (), "builds": (), "columns": ()}), logs=None)
    )
    assert {"index.html", "timeline.html", "migrations.html"} <= empty.keys()
    assert "There is no recipe yet" in empty["index.html"]


def test_several_files_of_one_variant_are_all_shown() -> None:
    site = dict(site_files(report(package("m", variant("m", files=(file("lib"), file("tool"))))), logs=None))
    assert "lib-1.0-h_0.conda" in site["package/m.html"] and "tool-1.0-h_0.conda" in site["package/m.html"]


def test_a_new_release_stands_beside_the_package() -> None:
    pages = dict(site_files(report(package("a", new_release="1.4"), package("b")), logs=None))
    assert "<small>1.0</small> <small>new release 1.4</small>" in pages["index.html"]
    assert "<li>new release 1.4</li>" in pages["package/a.html"]
    assert "new release" not in pages["package/b.html"]
