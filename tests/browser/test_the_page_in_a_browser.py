"""The page as a reader has it: in a real browser, from a file, by mouse, by keyboard, in the dark, on a phone."""

import time
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import HOSTILE, PHONE, SCREENSHOTS, noticing, run_of
from playwright.sync_api import expect

from introspect.analysis.analyze import analyze


def counts(page, words):
    """Wait until the page says how many trials match."""
    expect(page.locator("#count")).to_have_text(f"{words} trials match.")


def chosen(page):
    return page.inner_text("#detail")


def bad(page):
    found = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in {"serious", "critical"}]


def test_it_opens_from_a_file_with_its_question_and_its_first_trial(opened, page_file):
    one = opened()
    page = one.go(page_file)
    assert page.inner_text("h1") == "Does the subject report the thought?"
    counts(page, "50")
    assert page.locator("[role=option]").count() > 3
    assert "Run this trial again" in chosen(page)
    page.locator("#figures").scroll_into_view_if_needed()
    page.wait_for_selector(".plot .main-svg")
    one.save("run-light")


def test_filters_and_words_narrow_the_list_and_the_address_keeps_them(opened, page_file):
    page = opened().go(page_file)
    page.select_option("#filter-arm", "concept")
    counts(page, "24 of 50")
    page.select_option("#filter-verdict", "names the concept")
    counts(page, "6 of 50")
    page.fill("#filter-text", "bread")
    counts(page, "2 of 50")
    assert "arm=concept" in page.evaluate("location.hash")
    page.reload()
    page.wait_for_selector("#browser[data-ready]")
    counts(page, "2 of 50")
    page.click("text=Clear")
    counts(page, "50")
    page.fill("#filter-text", "no such word anywhere")
    expect(page.locator("#count")).to_have_text("None of 50 trials match; clear a filter.")
    assert page.locator("[role=option]").count() == 0


def test_a_click_on_a_cell_of_the_grid_lists_its_trials(opened, page_file):
    page = opened().go(page_file)
    plot = page.locator("#plot-heatmap_named")
    plot.scroll_into_view_if_needed()
    page.wait_for_selector("#plot-heatmap_named .nsewdrag")
    box = page.locator("#plot-heatmap_named .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 0.74 * box["width"], box["y"] + 0.26 * box["height"])
    page.wait_for_selector("#plot-heatmap_named .hoverlayer .hovertext")
    page.mouse.click(box["x"] + 0.74 * box["width"], box["y"] + 0.26 * box["height"])
    counts(page, "6 of 50")
    chosen_filters = {name: page.input_value(f"#filter-{name}") for name in ("arm", "layer", "strength")}
    assert chosen_filters == {"arm": "concept", "layer": "3", "strength": "2"}


def test_the_tables_lead_to_the_trials_without_a_mouse(opened, page_file):
    page = opened().go(page_file)
    link = page.locator("#numbers a[href*='layer=3']").first
    link.focus()
    page.keyboard.press("Enter")
    counts(page, "6 of 50")
    assert page.input_value("#filter-layer") == "3"


def test_a_permanent_link_opens_its_trial_with_shading_evidence_audit_and_the_command(opened, page_file, content):
    trial = noticing(content.trials)
    one = opened()
    page = one.go(page_file, f"#trial={trial.key}")
    shown = chosen(page)
    for words in (
        "names the concept",
        "planned 8 prompt + 3 generated",
        f"introspect replay {content.folder}",
        trial.key,
    ):
        assert words in shown
    assert page.locator("#detail .prompt .injected").count() == 8
    assert "bread" in page.locator("#detail mark.named").first.inner_text()
    assert page.locator("#detail .evidence-list li").count() >= 1
    assert page.locator("[role=option][aria-selected=true]").count() == 1
    page.evaluate("location.hash = '#trial=0000'")
    expect(page.locator("#detail")).to_contain_text("not among the 50 trials")


def test_the_projection_stands_under_every_token_at_the_layer_that_is_chosen(opened, page_file, content):
    one = opened()
    page = one.go(page_file, f"#trial={noticing(content.trials).key}")
    assert page.locator("#detail .read").count() == 12
    assert page.inner_text(".layer-choice output") == "3 (injected)"
    assert page.locator(".read small").first.inner_text() == "3.0"
    page.focus("#layer-choice")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".layer-choice output") == "2"
    assert page.locator(".read small").nth(3).inner_text() == "0.30"
    assert page.locator(".read.injected-here").count() == 9
    page.locator("#browser").scroll_into_view_if_needed()
    one.save("trial-light", whole=False)


def test_a_reply_that_is_markup_stays_text(opened, page_file):
    page = opened().go(page_file)
    page.fill("#filter-text", "onerror")
    counts(page, "1 of 50")
    assert page.title() == "Does the subject report the thought?"
    assert page.locator("#detail img").count() == 0
    assert HOSTILE.split("\u202e", maxsplit=1)[0].strip() in chosen(page)
    assert "⟦U+202E⟧evil" in chosen(page)


def test_the_list_is_walked_by_keyboard_and_says_where_one_is(opened, page_file):
    page = opened().go(page_file)
    page.focus("#list")
    for key, place in (("ArrowDown", "2"), ("End", "50"), ("ArrowUp", "49"), ("Home", "1")):
        page.keyboard.press(key)
        page.wait_for_selector(f"[role=option][aria-selected=true][aria-posinset='{place}']")
        active = page.get_attribute("#list", "aria-activedescendant")
        assert page.get_attribute(f"#{active}", "aria-posinset") == place
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "H3"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "list"


def test_dark_and_light_are_the_readers_choice(opened, page_file):
    one = opened(color_scheme="dark")
    page = one.go(page_file)
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(19, 22, 26)"
    page.locator("#figures").scroll_into_view_if_needed()
    page.wait_for_selector(".plot .main-svg")
    one.save("run-dark")
    page.click("#theme")
    assert page.evaluate(background) == "rgb(251, 251, 249)"
    expect(page.locator(".plot .xtick text").first).to_have_css("fill", "rgb(27, 32, 39)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, page_file, content, scheme):
    page = opened(color_scheme=scheme).go(page_file, f"#trial={noticing(content.trials).key}")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert bad(page) == []


def test_a_phone_needs_no_scrolling_sideways_and_shows_list_or_trial(opened, page_file):
    one = opened(viewport=PHONE)
    page = one.go(page_file)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not page.is_visible("#detail")
    page.locator("[role=option]").nth(1).click()
    assert page.is_visible("#detail")
    assert not page.is_visible("#list")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    one.save("run-phone")
    page.click("text=Back to the list")
    assert page.is_visible("#list")
    assert bad(page) == []


def test_two_subjects_stand_side_by_side_with_one_browser_for_all_trials(opened, analysis, folder):
    from introspect.report.several import several_page

    other = analyze(run_of(folder / "other", subject="another"))
    file = several_page([("grid", analysis), ("grid", other)], folder / "several.html")
    one = opened()
    page = one.go(file)
    counts(page, "100")
    assert page.locator("#experiments .figures figure").count() % 2 == 0
    page.select_option("#filter-subject", "another")
    counts(page, "50 of 100")
    page.locator(".plot").first.scroll_into_view_if_needed()
    page.wait_for_selector(".plot .main-svg")
    one.save("several-light")
    assert bad(page) == []


def test_twenty_thousand_transcripts_are_still_fluent(opened, folder, content):
    from introspect.report.page import write_report

    first = content.trials
    many = [first[n % len(first)].model_copy(update={"key": f"{n:032x}"}) for n in range(20_000)]
    outcomes = content.outcomes.clear()
    whole = replace(content, trials=many, outcomes=outcomes, figures={}, n_planned=20_000, claims={}, projections={})
    file = write_report(folder / "many.html", whole)
    assert file.stat().st_size < 5_000_000
    one = opened()
    begun = time.monotonic()
    page = one.go(file)
    loaded = time.monotonic() - begun
    counts(page, "20,000")
    assert page.locator("[role=option]").count() < 60
    timed = """async (word) => {
      const search = document.getElementById("filter-text");
      const status = document.getElementById("count");
      const begun = performance.now();
      const done = new Promise((told) => new MutationObserver(told).observe(status, { childList: true }));
      search.value = word;
      search.dispatchEvent(new Event("input"));
      await done;
      return performance.now() - begun;
    }"""
    cold, warm = (page.evaluate(timed, word) for word in ("bread", "silver"))
    page.focus("#list")
    page.keyboard.press("End")
    page.wait_for_selector("[role=option][aria-selected=true]")
    assert page.locator("[role=option]").count() < 60
    times = f"load {loaded:.2f} s, first search {cold:.0f} ms, next {warm:.0f} ms"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "times.txt").write_text(times + "\n")
    assert warm < 1000, times
