"""The live laboratory as a person has it: a question is asked in a real browser, two replies come, a trial is saved."""

from contextlib import ExitStack

import pytest
import served
from axe_playwright_python.sync_playwright import Axe
from pages import SCREENSHOTS
from playwright.sync_api import expect


@pytest.fixture
def visit(chromium, tmp_path):
    """Open the page of a server; at the end it has said nothing on the console and asked nobody else."""
    said, asked, homes, open_ones = [], [], [], ExitStack()

    def visit_one(*others, **changes):
        server = open_ones.enter_context(served.serving(tmp_path / "run", *others, **changes))
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        open_ones.callback(context.close)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server.address)
        page.wait_for_selector("body[data-ready]")
        homes.append(f"http://127.0.0.1:{server.port}/")
        return page

    with open_ones:
        yield visit_one
    assert [words for words in said if "status of 400" not in words] == []  # which chromium says of a refusal
    assert [url for url in asked if not url.startswith((*homes, "data:"))] == []


def serious(page):
    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in {"serious", "critical"}]


def test_one_asks_sees_two_replies_and_saves(visit, tmp_path):
    page = visit()
    page.select_option("#ask-concept", "silver")
    page.fill("#ask-layer", "2")
    page.focus("#ask-layer")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Done. Save this trial to keep it.", timeout=30_000)
    replies = [page.inner_text(f"#reply-{side}") for side in ("with", "without")]
    assert all(replies)
    assert replies[0] != replies[1]
    assert "silver, layer 2" in page.inner_text("#with-heading")
    assert page.locator("#reply-with .injected").count() == 1
    assert page.locator("#reply-without .injected").count() == 0
    assert page.locator("#first tbody tr").count() == 3
    assert page.locator("#projection .read").count() > 20
    page.click("summary")
    assert page.locator("#prompt .injected").count() > 5
    page.click("#save")
    expect(page.locator("#status")).to_contain_text("holds 2 trials", timeout=30_000)
    assert (tmp_path / "run" / "trials.jsonl").read_text().count("\n") == 2
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "lab-light.png", full_page=True)
    assert serious(page) == []


def test_another_subject_is_chosen_and_its_trials_have_a_folder_of_their_own(visit, tmp_path):
    page = visit("tiny-introspector", max_new_tokens=32)
    assert page.input_value("#ask-layer") == "2"
    page.fill("#ask-strength", "3")
    page.select_option("#ask-subject", "tiny-introspector")
    page.wait_for_selector("body[data-ready=tiny-introspector]", timeout=60_000)
    assert page.inner_text("#ask-layer-label") == "Layer, 0 to 6"
    assert page.input_value("#ask-strength") == "3"  # what a person set stays
    assert page.inner_text("h1") == "Ask introspector-0 on base, with a vector and without"
    page.select_option("#ask-concept", "trumpets")
    page.fill("#ask-strength", "1.5")
    page.click("#go")
    expect(page.locator("#status")).to_have_text("Done. Save this trial to keep it.", timeout=30_000)
    assert "trumpets" in page.inner_text("#reply-with")
    assert "trumpets" not in page.inner_text("#reply-without")
    page.click("#save")
    expect(page.locator("#status")).to_contain_text("run/tiny-introspector holds 2 trials", timeout=30_000)
    assert serious(page) == []


def test_a_subject_that_is_not_there_leaves_the_one_that_is_open(visit):
    page = visit("nowhere/at-all.gguf", keep=1)  # the one that is open makes room before the other turns out missing
    before = page.input_value("#ask-subject")
    page.select_option("#ask-subject", "nowhere/at-all.gguf")
    expect(page.locator("#status")).to_contain_text("there is no file or folder", timeout=30_000)
    assert page.input_value("#ask-subject") == before
    page.click("#go")
    expect(page.locator("#status")).to_have_text("Done. Save this trial to keep it.", timeout=30_000)


def test_a_question_of_ones_own_stays_text_and_what_does_not_fit_is_a_sentence(visit):
    page = visit()
    page.select_option("#ask-wording", label="a question of your own")
    page.fill("#ask-question", "<img src=x onerror=alert(1)> What is {this}?")
    page.click("#go")
    expect(page.locator("#status")).to_contain_text("nothing fills the slot {this}", timeout=30_000)
