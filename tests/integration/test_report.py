"""The report and the landing page of a forge that was built, as a person reads and uses them, in a real browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from integration.accessibility import serious_faults
from integration.browser import Browser
from integration.commands import run, statuses
from integration.small_forge import make_small_forge
from integration.waiting import wait_until

pytestmark = pytest.mark.integration

BROKEN = """\
package: {name: cu-broken, version: "1.0"}
build:
  variant: {use_keys: [cuda_version, python]}
  script: ["echo 'kernel.cu(3): error: no such kernel'", "exit 1"]
requirements: {host: [lib-a]}
"""
PAGES = (
    "index.html",
    "timeline.html",
    "migrations.html",
    "migration/13.2.html",
    "package/cu-b.html",
    "package/cu-broken.html",
    "package/lib-a.html",
)


@dataclass(frozen=True)
class Reported:
    """A forge that was built as far as it can be, its report and its channel."""

    forge: Path

    @property
    def site(self) -> Path:
        return self.forge / "output" / "report"

    def address(self, page: str) -> str:
        return (self.site / page).as_uri()

    @property
    def landing(self) -> Path:
        return self.forge / "output" / "channel" / "index.html"


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    forge = make_small_forge(tmp_path_factory.mktemp("reported") / "forge")
    for package in ("cu-c", "top"):
        forge.recipe(package).unlink()
    forge.write("cu-broken", BROKEN)
    built = run("wvforge", "--forge", str(forge.root), "build")
    assert built.returncode == 1, built.stdout
    forge.mend("cu-b", '"2.0"', '"2.1"')
    done = run("wvforge", "--forge", str(forge.root), "report")
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip().endswith("output/report/index.html")
    return Reported(forge.root)


def show_as(window: Browser, scheme: str) -> None:
    """Let the page believe that its reader prefers light or dark colours."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    window.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def shown_rows(window: Browser) -> list[str]:
    rows = window.driver.find_elements(By.CSS_SELECTOR, "#matrix tbody tr")
    return [row.find_element(By.CSS_SELECTOR, "th a").text for row in rows if row.is_displayed()]


def complaints(window: Browser) -> list[object]:
    """What the browser has to say of the page: refused scripts and styles, files that are not there."""
    return [entry["message"] for entry in window.driver.get_log("browser")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing_serious(reported: Reported, window: Browser, scheme: str) -> None:
    show_as(window, scheme)
    for page in PAGES:
        window.open(reported.address(page))
        window.driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
        assert serious_faults(window) == [], page
    window.open(reported.address("index.html"))
    window.click("//td[@class='failed']/a")
    window.wait_for_text("Last lines")
    assert serious_faults(window) == [], "the details"
    window.open(reported.landing.as_uri())
    assert serious_faults(window) == [], "the landing page"
    assert complaints(window) == []


def test_the_matrix_shows_what_status_says(reported: Reported, window: Browser) -> None:
    window.open(reported.address("index.html"))
    report = json.loads((reported.site / "report.json").read_text(encoding="utf-8"))
    said = statuses(reported.forge)
    told = {
        (package["name"], item["partition"]): item for package in report["packages"] for item in package["variants"]
    }
    assert {key: (item["state"], item["reason"]) for key, item in told.items()} == {
        key: (row["state"], row["reason"]) for key, row in said.items()
    }
    for (package, partition), row in said.items():
        place = f"v-{partition.replace('|', '_')}" if partition else "v-all"
        link = window.find(f"//a[@href='package/{package}.html#{place}']")
        assert link.text == row["state"]


def test_the_filter_takes_names_and_states_and_is_taken_back(reported: Reported, window: Browser) -> None:
    window.open(reported.address("index.html"))
    everything = shown_rows(window)
    assert everything == ["lib-a", "cu-b", "cu-broken"]
    field = window.find("//input[@id='name']")
    field.send_keys("CU-")
    assert shown_rows(window) == ["cu-b", "cu-broken"]
    window.find("//input[@value='failed']").send_keys(Keys.SPACE)
    assert shown_rows(window) == ["cu-broken"]
    assert "1 of 3 packages" in window.text()
    field.send_keys("nothing is called so")
    assert shown_rows(window) == []
    window.click("//button[@id='clear']")
    assert shown_rows(window) == everything


def test_a_cell_opens_its_details_by_keyboard_and_escape_leads_back(reported: Reported, window: Browser) -> None:
    window.open(reported.address("index.html"))
    cell = window.find("//td[@class='stale']/a")
    cell.send_keys(Keys.ENTER)
    shown = window.wait_for_text("package.version 2.0 -> 2.1", "Log")
    (last,) = [f for p in _packages(reported) if p["name"] == "cu-b" for f in p["variants"][0]["files"]]
    assert last["filename"] in shown and last["sha256"] in shown.replace("\n", "")
    window.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait_until("the details are closed", lambda: "package.version" not in window.text(), seconds=10)
    assert window.driver.switch_to.active_element == cell


def test_the_log_that_details_and_page_link_is_there(reported: Reported, window: Browser) -> None:
    window.open(reported.address("index.html"))
    window.click("//td[@class='failed']/a")
    window.click("//dialog//dd/a")
    window.wait_for_text("kernel.cu(3): error: no such kernel")
    window.open(reported.address("package/cu-broken.html"))
    window.click("//a[normalize-space(text())='log']")
    window.wait_for_text("kernel.cu(3): error: no such kernel")


def test_without_a_script_the_matrix_is_read_and_its_cells_lead_to_the_pages(
    reported: Reported, window: Browser
) -> None:
    window.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    window.open(reported.address("index.html"))
    assert shown_rows(window) == ["lib-a", "cu-b", "cu-broken"]
    assert not window.driver.find_element(By.ID, "name").is_displayed()
    window.click("//td[@class='failed']/a")
    assert window.driver.current_url.endswith("package/cu-broken.html#v-13.0_3.12")
    assert "error: no such kernel" in window.driver.find_element(By.ID, "v-13.0_3.12").text


def test_the_timeline_tells_the_build_and_its_longest_chain(reported: Reported, window: Browser) -> None:
    window.open(reported.address("timeline.html"))
    shown = window.wait_for_text("The longest chain")
    assert "9 package variants, 4 failed" in shown
    (build,) = json.loads((reported.site / "report.json").read_text(encoding="utf-8"))["builds"]
    assert build["workers"] == 2
    assert build["chain"][0] == {"package": "lib-a", "partition": None}
    assert len(build["chain"]) == 2


def test_the_migration_says_what_would_unblock_most(reported: Reported, window: Browser) -> None:
    window.open(reported.address("migration/13.2.html"))
    shown = window.wait_for_text("What would unblock most")
    assert "1 of 5 package variants are published" in shown
    assert "no such kernel" in shown
    printed = run("wvforge", "--forge", str(reported.forge), "report", "--migration", "13.2").stdout
    written = (reported.site / "migration" / "13.2.md").read_text(encoding="utf-8")
    assert printed.splitlines()[:-1] == written.splitlines()[:-1], "but for the time"
    assert "| `cu-broken` fails | 2 | 2 |" in written


def test_the_landing_page_is_read_without_a_script(reported: Reported, window: Browser) -> None:
    window.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    window.open(reported.landing.as_uri())
    text = window.driver.find_element(By.TAG_NAME, "body").text
    for wanted in ("lib-a 1.0", "cu-b 2.0", "CUDA 13.2, Python 3.13", "conda create", "micromamba create", "pixi add"):
        assert wanted in text


def _packages(reported: Reported) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((reported.site / "report.json").read_text(encoding="utf-8"))["packages"]
    return found
