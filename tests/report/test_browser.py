"""The report in a real browser: it opens from disk, its tables work, and people with any eyes and screen can read it."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on this machine"
)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """Opens a file and returns its page; at the end nothing may have gone to the network or to the console."""
    contexts, heard = [], []

    def open_file(path, scheme="light", width=1280):
        contexts.append(browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}))
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: heard.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: heard.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on(
            "request",
            lambda request: heard.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
        )
        tab.goto(Path(path).as_uri())
        return tab

    yield open_file
    for context in contexts:
        context.close()
    assert heard == []


def unfold(tab):
    tab.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    tab.wait_for_function("[...document.querySelectorAll('.images tbody')].every((body) => body.rows.length > 0)")


def faults(tab, *rules):
    """axe-core's serious and critical violations, of some rules or of all."""
    import axe_playwright_python

    script = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    tab.evaluate(script)
    found = tab.evaluate(
        "(only) => axe.run(document, ({resultTypes: ['violations'], ...(only.length ? {runOnly: only} : {})}))",
        list(rules),
    )
    # Colours were really looked at.
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    return [
        (rule["id"], rule["impact"], [node["html"][:200] for node in rule["nodes"]][:3])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


def test_opens_from_disk_and_every_image_loads(opened, page):
    tab = opened(page)
    unfold(tab)
    widths = tab.evaluate("[...document.images].map((image) => image.naturalWidth)")
    assert len(widths) > 20 and min(widths) > 0
    assert tab.title().startswith("Real or synthetic?")


@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))])
def test_no_serious_accessibility_fault(opened, page, scheme, rules):
    tab = opened(page, scheme)
    unfold(tab)
    # A few rows of each image table are as good as all.
    for search in tab.get_by_role("searchbox").all():
        search.fill("-000")
    assert faults(tab, *rules) == []
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_nothing_sticks_out_on_a_narrow_screen(opened, page):
    tab = opened(page, width=400)
    unfold(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    assert tab.evaluate("[...document.querySelectorAll('.box')].every((box) => box.clientWidth <= 400)")


@pytest.mark.parametrize("width", [1440, 1280, 1024])
def test_no_table_is_cut_off(opened, page, width):
    tab = opened(page, width=width)
    unfold(tab)
    wide = "(box) => box.scrollWidth > box.clientWidth"
    cut = tab.evaluate(f"[...document.querySelectorAll('.box')].filter({wide}).map((box) => box.ariaLabel)")
    assert cut == []


def test_numbers_are_never_broken_into_lines(opened, page):
    tab = opened(page, width=1024)
    cells = tab.locator("td.number")
    assert cells.count() > 50
    lines = """(all) => all.map((cell) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getClientRects().length;
    })"""
    assert max(cells.evaluate_all(lines)) == 1


def image_table(tab):
    """The image table of the own images, whose names are hostile, unfolded."""
    box = tab.locator("section:has(> h2:text('my (faces)')) [data-images]")
    tab.locator("section:has(> h2:text('my (faces)')) details.data summary").click()
    # It is filled when it has been unfolded, not by the click itself.
    expect(box.get_by_role("status")).not_to_be_empty()
    return box


def column(box, name):
    heads = [text.strip() for text in box.locator("thead th").all_inner_texts()]
    return [row.split("\t")[heads.index(name)] for row in box.locator("tbody tr").all_inner_texts()]


def test_image_table_sorts_by_keyboard(opened, page):
    tab = opened(page)
    box = image_table(tab)
    head = box.locator("th", has_text="Score, tuned")
    for direction in ("ascending", "descending"):
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == direction
        scores = [float(text) for text in column(box, "Score, tuned")]
        assert len(scores) == 50 and scores == sorted(scores, reverse=direction == "descending")
    box.get_by_role("button", name="File").press("Space")
    assert head.get_attribute("aria-sort") is None and len(box.locator("th[aria-sort]").all()) == 1


def test_image_table_filters_by_text_and_by_choice(opened, page, hostile_names):
    tab = opened(page)
    box = image_table(tab)
    status = box.get_by_role("status")
    assert status.inner_text() == "Rows 1 to 50 of 240 found (240 in this table)"
    for name in hostile_names:
        box.get_by_label("Text in any column").fill(name.upper())
        assert column(box, "File") == [name]
    box.get_by_label("Text in any column").fill("no such image")
    assert status.inner_text() == "Rows 0 to 0 of 0 found (240 in this table)"
    box.get_by_label("Text in any column").fill("")
    box.get_by_label("Split").select_option("test")
    box.get_by_label("Label").select_option("real")
    assert status.inner_text().startswith("Rows 1 to 40 of 40") and set(column(box, "Label")) == {"real"}
    box.get_by_label("Decision").select_option("wrong")
    assert set(column(box, "Called, tuned")) == {"synthetic (wrong)"}
    box.get_by_label("Decision").select_option("right")
    assert set(column(box, "Called, tuned")) == {"real"}


def test_image_table_turns_its_pages(opened, page):
    tab = opened(page)
    box = image_table(tab)
    on, back = box.get_by_role("button", name="Later rows"), box.get_by_role("button", name="Earlier rows")
    assert back.is_disabled()
    for _ in range(4):
        on.click()
    assert box.get_by_role("status").inner_text().startswith("Rows 201 to 240 of 240") and on.is_disabled()
    assert back.is_enabled()


def test_prints_without_what_only_a_screen_can_use(opened, page):
    tab = opened(page, "dark")
    tab.emulate_media(media="print")
    assert not tab.locator(".tools").first.is_visible() and not tab.locator("nav.contents").is_visible()
    assert tab.locator(".print-only").first.is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_notebooks_as_html_open_without_network_or_script(opened, made_up, page, scheme):
    tab = opened(made_up / "dataset_1" / "tuned" / "02_phase1_training.html", scheme)
    assert tab.locator("h1").inner_text() == "2. A title & more"
    tab.get_by_role("link", name="The report").click()
    assert tab.title().startswith("Real or synthetic?")
