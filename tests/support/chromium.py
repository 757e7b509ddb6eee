"""Chromium without a window, for the tests that open a page, and what they ask of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By


@contextmanager
def start(folder: Path) -> Iterator[webdriver.Chrome]:
    """A browser that downloads into `folder` and logs its complaints and requests; skips the test without one."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("needs Chromium and its driver (on Debian the packages chromium and chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    try:
        started = webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        pytest.skip(f"Chromium does not start here: {error.msg.splitlines()[0]}")
    try:
        yield started
    finally:
        started.quit()


def show(browser, place, width=1280, scheme="light"):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(place.as_uri())


def all_of(page, selector):
    return page.find_elements(By.CSS_SELECTOR, selector)


def centred(page, element):
    """Scrolled to the middle, and the scroll over: its event, which comes a frame later, hides what is shown."""
    page.execute_async_script(
        """
        const [element, done] = arguments;
        element.scrollIntoView({block: "center"});
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
    """,
        element,
    )
    return element


def tip(page):
    """The text beside the pointer, each line's words apart by single spaces."""
    return [" ".join(row.text.split()) for row in all_of(page, "#tip > *")]


def visible(page):
    """The labels of the curves that are drawn, in each panel."""
    return page.execute_script("""
        const label = (key) => document.querySelector(`.legend [data-key="${key}"]`).parentElement.textContent.trim();
        return [...document.querySelectorAll(".curves")].map((svg) => [...svg.querySelectorAll("g[data-key]")]
            .filter((group) => getComputedStyle(group).display !== "none").map((group) => label(group.dataset.key)));
    """)


def contrast(page, selector):
    """Of the text of an element and the page, as WCAG 2 has it."""
    colours = page.execute_script(
        """
        const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        return [getComputedStyle(document.querySelector(arguments[0])).color,
                getComputedStyle(document.documentElement).backgroundColor].map((colour) => {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
        });
    """,
        selector,
    )
    linear = [
        [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        for colour in colours
    ]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)
