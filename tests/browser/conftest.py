"""A real browser, and pages of runs made by hand for it to open."""

import shutil
from dataclasses import replace

import pytest
from pages import OFFSETS, TEXT, Opened, noticing, run_of
from playwright.sync_api import sync_playwright

from introspect.analysis.analyze import analyze
from introspect.records import Projection


@pytest.fixture(scope="module")
def chromium():
    # Of a module, not of the session: while playwright lasts no other event loop can run in this thread.
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no chromium on this machine; with one (apt-get install chromium) these tests run")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Open pages; at the end none of them has said a word on the console or asked for anything but itself."""
    contexts, pages = [], []

    def open_one(**settings):
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
        page = context.new_page()
        one = Opened(page)
        page.on("console", lambda message: one.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: one.said.append(f"error: {error}"))
        page.on("request", lambda request: one.asked.append(request.url))
        contexts.append(context)
        pages.append(one)
        return one

    yield open_one
    for context in contexts:
        context.close()
    assert [words for one in pages for words in one.said] == []
    assert [url for one in pages for url in one.asked if not url.startswith(("file://", "data:", "blob:"))] == []
    assert all(sum(url.startswith("file://") for url in one.asked) <= 2 for one in pages)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="session")
def analysis(folder):
    return analyze(run_of(folder))


@pytest.fixture(scope="session")
def content(analysis):
    from introspect.report.build import content_of

    found = content_of(analysis)
    trial = noticing(found.trials)
    read = Projection(
        key=trial.key, direction="direction of bread", tokens=(*(TEXT[a:b] for a, b in OFFSETS), "Yes", ","),
        n_prompt=10, injected=(2, 3, 4, 5, 6, 7, 8, 9, 10), layers=(2, 3),
        values=(tuple(0.1 * place for place in range(12)), tuple(3.0 - place for place in range(12))),
    )  # fmt: skip
    return replace(found, projections={trial.key: read})


@pytest.fixture(scope="session")
def page_file(folder, content):
    from introspect.report.page import write_report

    return write_report(folder / "page.html", content)
