"""A headless Chromium that shows Dagster's UI. The tests that use it are skipped where there is none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from integration.waiting import wait_until

PAGE_SECONDS = 60.0
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


def missing_programs() -> str:
    """What a browser test lacks on this machine, in words; empty if nothing."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


@dataclass(frozen=True)
class Browser:
    """One window."""

    driver: webdriver.Chrome

    def open(self, url: str) -> None:
        self.driver.get(url)

    def text(self) -> str:
        """All text that the page shows."""
        try:
            return str(self.driver.execute_script("return document.body ? document.body.innerText : ''"))
        except WebDriverException:
            return ""

    def wait_for_text(self, *wanted: str, seconds: float = PAGE_SECONDS) -> str:
        """Wait until the page shows all of these; returns its text."""

        def lacking() -> list[str]:
            shown = self.text()
            return [part for part in wanted if part not in shown]

        try:
            wait_until(f"page shows {wanted}", lambda: not lacking(), seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\nlacking {lacking()}; the page shows:\n{self.text()[:4000]}") from None
        return self.text()

    def find(self, xpath: str, *, seconds: float = PAGE_SECONDS) -> WebElement:
        """The first visible element of an XPath; waits for it."""

        def ask() -> WebElement | None:
            try:
                for element in self.driver.find_elements(By.XPATH, xpath):
                    if element.is_displayed():
                        return element
            except WebDriverException:
                pass  # the page was drawn anew meanwhile
            return None

        return wait_until(f"page has {xpath}", ask, seconds=seconds)

    def click(self, xpath: str, *, seconds: float = PAGE_SECONDS) -> None:
        """Click the first visible element of an XPath, once there is one and it can be clicked."""

        def ask() -> bool:
            try:
                self.find(xpath, seconds=1).click()
            except (WebDriverException, AssertionError):
                return False
            return True

        wait_until(f"{xpath} can be clicked", ask, seconds=seconds)

    def wait_until_still(self, *, seconds: float = PAGE_SECONDS) -> None:
        """Wait until the page is drawn: three pictures in a row are the same."""
        last: list[str] = []

        def ask() -> bool:
            last.append(self.driver.get_screenshot_as_base64())
            return len(last) >= 3 and last[-1] == last[-2] == last[-3]

        wait_until("page is drawn to its end", ask, seconds=seconds, every=0.5)

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path)), f"no screenshot at {path}"


@contextmanager
def browser(width: int = 1600, height: int = 900) -> Iterator[Browser]:
    """A window of this size, with a profile of its own, until the end of the block."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium and chromedriver, missing_programs()
    with tempfile.TemporaryDirectory(prefix="wvforge-chromium-", ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        try:
            driver.set_page_load_timeout(PAGE_SECONDS)
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
            )
            yield Browser(driver)
        finally:
            driver.quit()
