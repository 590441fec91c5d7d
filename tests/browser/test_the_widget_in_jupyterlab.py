"""The live pane in a cell of JupyterLab, as a person has it: the cell is run, a pair asked, its trials saved."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import lab
import pytest
import served
from pages import SCREENSHOTS
from playwright.sync_api import expect

SECONDS = 60_000
TOKEN = "of-the-tests"
CELL = """from introspect.lab.widget import Widget
Widget({subject!r}, run={run!r}, concepts={concepts!r}, device="cpu", dtype="float32", max_new_tokens={n})"""


@pytest.fixture
def notebook(tmp_path):
    """The address of a notebook with one cell, behind a JupyterLab of the test's own."""
    import introspect

    run = str(tmp_path / "run")
    source = CELL.format(subject=str(lab.folder()), run=run, concepts=list(served.CONCEPTS), n=served.N_NEW)
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    content = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "one.ipynb").write_text(json.dumps(content))
    settings = ["--no-browser", "--allow-root", "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}"]
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "RUNTIME")}
    here = str(Path(introspect.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *settings, f"--ServerApp.root_dir={tmp_path}"],
        env={**os.environ, **own, "PYTHONPATH": here}, stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        found = (re.search(r"http://(localhost|127\.0\.0\.1):\d+/lab", line) for line in server.stderr)
        home = next(filter(None, found))[0]
        threading.Thread(target=server.stderr.read, daemon=True).start()  # what it says later must go somewhere
        yield f"{home}/tree/one.ipynb?token={TOKEN}"
        server.terminate()


@pytest.mark.slow
def test_a_cell_has_the_pane_and_asks_and_saves_by_it(chromium, notebook, tmp_path):
    context = chromium.new_context(viewport={"width": 1400, "height": 1100})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    page.goto(notebook)
    page.locator(".jp-Notebook .jp-Cell").first.click(timeout=SECONDS)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("Trials are saved to", timeout=2 * SECONDS)
    assert page.locator("#ask-concept option").count() == len(served.CONCEPTS)
    page.select_option("#ask-concept", "silver")
    page.fill("#ask-layer", "2")
    page.click("#go")
    expect(page.locator("#status")).to_have_text("Done. Save this trial to keep it.", timeout=SECONDS)
    replies = [page.inner_text(f"#reply-{side}") for side in ("with", "without")]
    assert all(replies)
    assert replies[0] != replies[1]
    assert page.locator("#projection .read").count() > 20
    page.click("#save")
    expect(page.locator("#status")).to_contain_text("holds 2 trials", timeout=SECONDS)
    assert (tmp_path / "run" / "trials.jsonl").read_text().count("\n") == 2
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    page.select_option("#ask-wording", label="a question of your own")
    page.locator("#ask-question").click()
    page.keyboard.type("dd bb aa")  # which delete and add cells where a notebook takes them for commands
    assert page.input_value("#ask-question") == "dd bb aa"
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "widget-light.png")
    context.close()
    assert errors == []
