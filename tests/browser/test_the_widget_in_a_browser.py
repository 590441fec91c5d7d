"""The widget's own script in a real browser, on a line to the real widget: all that Jupyter does is carry messages."""

import queue
import time

import lab
import pytest
import served
from comm.base_comm import BaseComm

SHOW = """async (state) => {
  const code = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  const own = (await import(code)).default;
  window.outbox = [];
  const model = {
    get: (name) => state[name],
    on: (_, hear) => { window.hear = hear; },
    off: () => { window.hear = () => {}; },
    send: (message) => window.outbox.push(message),
  };
  const el = document.body.appendChild(document.createElement("div"));
  window.end = own.render({ model, el });
}"""


class Line(BaseComm):
    """A comm that keeps what the widget sends to its view."""

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        if (data or {}).get("method") == "custom":
            sent.put(data["content"])


sent = queue.Queue()


@pytest.fixture
def shown(chromium, tmp_path, monkeypatch):
    """A widget, and a page that shows it; nothing is said on the console."""
    monkeypatch.setattr("comm.create_comm", Line)
    from introspect.lab.widget import Widget

    settings = {**served.SETTINGS, "max_new_tokens": served.N_NEW}
    widget = Widget(lab.subject(), run=tmp_path / "run", **settings)
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.evaluate(SHOW, {name: getattr(widget, name) for name in ("_esm", "markup", "rules", "subjects")})
    yield widget, page
    context.close()
    assert said == []


def until(widget, page, words, seconds=60):
    """Carry messages both ways until the pane's status has these words."""
    end = time.monotonic() + seconds
    while words not in (status := page.inner_text("#status")):
        assert time.monotonic() < end, status
        for message in page.evaluate("window.outbox.splice(0)"):
            widget._handle_msg({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})
        while not sent.empty():
            page.evaluate("(message) => window.hear(message)", sent.get())
        page.wait_for_timeout(20)


def test_a_pair_is_asked_and_saved_by_messages_and_a_loaded_subject_is_not_loaded_again(shown, tmp_path):
    widget, page = shown
    until(widget, page, "Trials are saved to")
    assert widget.session().subject is lab.subject()
    page.select_option("#ask-concept", "silver")
    page.click("#go")
    until(widget, page, "Done. Save this trial")
    assert page.inner_text("#reply-with")
    assert page.inner_text("#reply-with") != page.inner_text("#reply-without")
    assert page.locator("#first tbody tr").count() == 3
    assert page.locator("#projection .read").count() > 20
    assert widget.trials[0].spec.concept == "silver"
    page.click("#save")
    until(widget, page, "holds 2 trials")
    assert (tmp_path / "run" / "trials.jsonl").read_text().count("\n") == 2


def test_what_does_not_fit_is_a_sentence_and_the_rules_of_style_stay_inside(shown):
    widget, page = shown
    until(widget, page, "Trials are saved to")
    page.fill("#ask-strength", "4")
    page.select_option("#ask-wording", "")
    page.fill("#ask-question", "What is {this}?")
    page.click("#go")
    until(widget, page, "nothing fills the slot {this}")
    assert page.locator("#status.failed").count() == 1
    page.evaluate("document.body.append(document.createElement('textarea'))")
    inside = "[...document.querySelectorAll('div')].find((each) => each.shadowRoot).shadowRoot"
    resize = "getComputedStyle({}.querySelector('textarea')).resize"
    assert page.evaluate(resize.format(inside)) == "vertical"
    assert page.evaluate(resize.format("document")) == "both"  # the browser's own
