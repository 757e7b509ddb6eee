"""The report in a real browser: Chromium without a window, driven by selenium."""

import base64
import json
import time

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from benchmark.records.schema import compose
from benchmark.report.page import write
from benchmark.tables import table
from tests.support import chromium
from tests.support.chromium import all_of, centred, contrast, show, tip, visible
from tests.support.literal import PROVENANCE, protocol_run, record

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
BAD = "</script><script>document.title = 'broken'</script>"
MATRIX = [[0.9, 0.1, 0.2], [0.7, 0.8, 0.1], [0.2, 0.5, 0.6]]  # A_t 90, 75, 43.3; forgetting 0.7, 0.3
RUNS = [
    record("ewc", "split-digits", 0, MATRIX, tasks=3),
    record("ewc", "split-digits", 1, [[0.8, 0.1, 0.2], *MATRIX[1:]], tasks=3),
    record("naive", "split-digits", 0, [[0.5, 0.5, 0.5]] * 3, tasks=3),
    *(
        protocol_run(method, "permuted-mnist", seed, 0.9, 0.4 + seed / 50)
        for method in ("ewc", "naive")
        for seed in (0, 1)
    ),
    compose("theirs", "their_stream", 0, {"note": BAD}, MATRIX, 2.0, None, PROVENANCE | {"commit": BAD}),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, logging what it complains of and what it asks the network for."""
    folder = tmp_path_factory.mktemp("downloads")
    with chromium.start(folder) as started:
        started.downloads = folder
        yield started


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(RUNS, path)
    return path


@pytest.fixture
def page(browser, place):
    """The page, newly opened in light colours at the size of a desk."""
    show(browser, place)
    yield browser
    assert browser.get_log("browser") == []


def test_it_asks_for_nothing_but_itself(page, place):
    logged = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = {entry["params"]["request"]["url"] for entry in logged if entry["method"] == "Network.requestWillBeSent"}
    assert asked == {place.as_uri()}


def test_what_a_record_says_does_not_run(page):
    assert page.title == "Continual learning: Permuted MNIST, Split digits, their_stream"
    assert BAD in page.find_element(By.ID, "runs").get_attribute("textContent")


def test_the_page_may_not_fetch(browser, place):
    show(browser, place)
    outcome = browser.execute_async_script("""
        const done = arguments[0];
        document.addEventListener("securitypolicyviolation", (event) => done(event.violatedDirective));
        new Image().src = "http://127.0.0.1:9/x.png";
    """)
    assert outcome == "img-src"
    browser.get_log("browser")  # it says so there too


def test_pointing_at_a_curve_reads_every_method(page):
    curves = centred(page, all_of(page, ".curves")[1])
    ActionChains(page).move_to_element(curves).perform()  # the second of three tasks is in the middle
    assert tip(page) == ["after 2 tasks, %", "EWC [tasks=3] 75.0 ±0.00", "Naive SGD [tasks=3] 50.0"]
    assert curves.find_element(By.CSS_SELECTOR, ".cursor").get_attribute("visibility") == "visible"
    ActionChains(page).move_to_element(all_of(page, "h1")[0]).perform()
    assert not page.find_element(By.ID, "tip").is_displayed()


def test_arrow_keys_read_the_curves(page):
    curves = centred(page, all_of(page, ".curves")[1])
    page.execute_script("arguments[0].focus({focusVisible: true})", curves)
    curves.send_keys(Keys.HOME)
    assert tip(page)[:2] == ["after 1 task, %", "EWC [tasks=3] 85.0 ±7.07"]
    curves.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert tip(page) == ["after 3 tasks, %", "Naive SGD [tasks=3] 50.0", "EWC [tasks=3] 43.3 ±0.00"]
    curves.send_keys(Keys.ESCAPE)
    assert not page.find_element(By.ID, "tip").is_displayed()


def test_touching_a_curve_reads_it(browser, place):
    show(browser, place, width=375)
    curves = centred(browser, all_of(browser, ".curves")[1])
    box = curves.rect
    top = browser.execute_script("return scrollY")
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2 - top}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        assert tip(browser)[0] == "after 2 tasks, %"
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_methods_are_switched_off_and_on(page):
    everything = [["EWC", "Naive SGD"], ["EWC [tasks=3]", "Naive SGD [tasks=3]"], ["theirs (external)"]]
    assert [sorted(part) for part in visible(page)] == everything
    switch = next(label for label in all_of(page, ".legend label") if label.text == "EWC [tasks=3]")
    centred(page, switch).click()
    assert [sorted(part) for part in visible(page)] == [everything[0], ["Naive SGD [tasks=3]"], everything[2]]
    ActionChains(page).move_to_element(all_of(page, ".curves")[1]).perform()
    assert tip(page) == ["after 2 tasks, %", "Naive SGD [tasks=3] 50.0"]
    nothing, again = all_of(page, ".legend button")[::-1]
    nothing.click()
    assert visible(page) == [[], [], []]
    again.click()
    assert [sorted(part) for part in visible(page)] == everything


def test_a_square_says_its_accuracy_and_a_bar_its_forgetting(page):
    heats = all_of(page, ".heat")
    heat = centred(page, next(heat for heat in heats if "EWC [tasks=3]" in heat.get_attribute("textContent")))
    first = heat.find_elements(By.CSS_SELECTOR, "tbody tr:first-child td")[0]
    ActionChains(page).move_to_element(first).perform()
    assert tip(page) == ["after task 1: 85.0 % on task 1"]
    bars = heat.find_element(By.XPATH, "../following-sibling::*").find_elements(By.CSS_SELECTOR, "rect")
    assert len(bars) == 2
    ActionChains(page).move_to_element(bars[1]).perform()
    assert tip(page) == ["forgetting of task 2: 0.300 ±0.000"]


def test_squares_are_square_and_bars_stand_under_their_columns(page):
    off = page.execute_script("""
        return [...document.querySelectorAll(".cell")].flatMap((cell) => {
            const rects = [...cell.querySelectorAll("rect")];
            const last = [...cell.querySelectorAll(".heat tbody tr:last-child td")];
            return rects.flatMap((rect, n) => {
                const [square, bar] = [last[n], rect].map((part) => part.getBoundingClientRect());
                return [Math.abs(square.width - square.height),
                        Math.abs(square.left + square.width / 2 - bar.left - bar.width / 2)];
            });
        });
    """)
    assert len(off) > 80 and max(off) < 1.6


def test_arrow_keys_walk_through_a_matrix(page):
    heat = centred(page, all_of(page, ".heat")[-1])
    page.execute_script("arguments[0].focus({focusVisible: true})", heat)
    assert tip(page) == ["after task 3: 20.0 % on task 1"]
    heat.send_keys(Keys.ARROW_UP, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert tip(page) == ["after task 2: not measured on task 3"]


def test_a_matrix_is_enlarged_with_its_numbers(page):
    centred(page, all_of(page, ".enlarge")[-1]).click()
    dialog = page.find_element(By.ID, "large")
    assert dialog.is_displayed()
    rows = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "td")]
        for row in dialog.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]
    assert rows == [["90.0", "", ""], ["70.0", "80.0", ""], ["20.0", "50.0", "60.0"]]
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert not dialog.is_displayed()


@pytest.mark.parametrize(
    ("name", "form", "file"),
    [("CSV", "csv", "table.csv"), ("LaTeX", "latex", "table.tex"), ("Markdown", "markdown", "table.md")],
)
def test_the_table_is_downloaded(page, name, form, file):
    page.find_element(By.LINK_TEXT, name).click()
    target, until = page.downloads / file, time.monotonic() + 10
    while not target.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert target.read_bytes().decode() == table.render(RUNS, form) + "\n"


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_the_page_is_never_wider_than_the_window(browser, place, width):
    show(browser, place, width)
    browser.execute_script("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_light_and_dark(browser, place, scheme):
    show(browser, place, scheme=scheme)
    background = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 26)"}[scheme]
    for selector in ("h1", ".note", ".std", ".off", "nav a", "sup", "summary"):
        assert contrast(browser, selector) >= 4.5, selector


def test_it_prints_on_white_paper_what_is_open(browser, place):
    show(browser, place, scheme="dark")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    style = "return getComputedStyle(document.querySelector(arguments[0])).display"
    paper = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    assert [browser.execute_script(style, part) for part in ("nav", ".downloads", "details")] == ["none"] * 3
    assert browser.execute_script(style, ".curves") != "none"
    browser.execute_script("document.querySelector('.runs').open = true")
    assert browser.execute_script(style, ".runs") != "none"
    pages = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(pages["data"]).startswith(b"%PDF")


def test_it_can_be_read_without_scripts(browser, place):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, place)
        shown = {
            part: browser.find_element(By.CSS_SELECTOR, part).is_displayed()
            for part in (".results", ".curves", ".heat-box", ".enlarge", ".all")
        }
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert shown == {".results": True, ".curves": True, ".heat-box": True, ".enlarge": False, ".all": False}


def test_everything_that_is_drawn_has_a_name(page):
    nameless = page.execute_script("""
        return [...document.querySelectorAll("svg:not([aria-hidden]), [role=region], [role=img], nav, dialog")]
            .filter((part) => !part.getAttribute("aria-label")).length
            + [...document.querySelectorAll("table")].filter((part) => !part.caption?.textContent.trim()).length
            + [...document.querySelectorAll("button, summary, a, label")]
                .filter((part) => !part.textContent.trim()).length;
    """)
    assert nameless == 0
    names = [curves.get_attribute("aria-label") for curves in all_of(page, ".curves")]
    assert "After the last task: Naive SGD [tasks=3] 50.0, EWC [tasks=3] 43.3." in names[1]
