"""The live pane as a widget: in a kernel of its own, asked by the messages that a notebook's view sends."""

import json
import os
import time
from pathlib import Path

import lab
import pytest
import served
from jupyter_client.manager import start_new_kernel

SECONDS = 120
CODE = """
from introspect.lab.widget import Widget
widget = Widget({subject!r}, run={run!r}, concepts={concepts!r}, device="cpu", dtype="float32", max_new_tokens={n})
widget
"""


class View:
    """What a view of the widget is to the kernel: messages on its comm."""

    def __init__(self, client, comm):
        self.client, self.comm, self.n = client, comm, 0

    def send(self, **message):
        content = {"comm_id": self.comm, "data": {"method": "custom", "content": message}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))

    def events(self, verb, **content):
        """Ask, and return every event up to the end."""
        self.n += 1
        self.send(id=str(self.n), verb=verb, content=content)
        found = []
        for event in self.heard(str(self.n)):
            if event is None:
                return found
            found.append(event)
        raise AssertionError(found)

    def heard(self, name):
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            assert message["msg_type"] != "error", message["content"]
            data = message["content"].get("data", {})
            if message["msg_type"] == "comm_msg" and data.get("method") == "custom" and data["content"]["id"] == name:
                yield data["content"]["event"]


@pytest.fixture(scope="module")
def kernel():
    """A kernel of the tests' own, which finds the package where the tests find it."""
    import introspect

    here = str(Path(introspect.__file__).parents[1])
    manager, client = start_new_kernel(startup_timeout=SECONDS, env={**os.environ, "PYTHONPATH": here})
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client, code):
    """Run a cell; return its messages."""
    name, found = client.execute(code), []
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") != name:
            continue
        assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
        found.append(message)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return found


def printed(client, code):
    return "".join(each["content"]["text"] for each in run(client, code) if each["msg_type"] == "stream")


@pytest.fixture(scope="module")
def view(kernel, tmp_path_factory):
    path = tmp_path_factory.mktemp("widget") / "run"
    code = CODE.format(subject=str(lab.folder()), run=str(path), concepts=list(served.CONCEPTS), n=served.N_NEW)
    said = run(kernel, code)
    shown = next(each["content"]["data"] for each in said if each["msg_type"] == "execute_result")
    model = shown["application/vnd.jupyter.widget-view+json"]["model_id"]
    state = next(
        each["content"]["data"]["state"]
        for each in said
        if each["msg_type"] == "comm_open" and each["content"]["comm_id"] == model
    )
    assert state["_model_module"] == "anywidget"
    return View(kernel, model), path, state


def test_what_a_view_gets_is_the_page_s_own_pane_and_no_data(view):
    from introspect.lab.page import pane

    _, _, state = view
    assert state["markup"] == pane()
    assert "page.pane = " in state["_esm"]
    assert ":root" not in state["rules"]
    assert state["subjects"] == [str(lab.folder())]


def test_a_pair_is_asked_streamed_read_and_saved_by_messages_alone(view, kernel, command):
    asked, path, _ = view
    room = asked.events("open", subject="")[-1]["room"]
    assert room["concepts"] == list(served.CONCEPTS)
    question = {"concept": "bread", "layer": 2, "strength": 4.0, "wording": "plain", "task": "report"}
    found = asked.events("ask", subject=room["subject"], **question)
    session = served.session()
    from introspect.lab.session import Ask

    pair = session.answer(session.pair(Ask(**question)), lambda event: None)
    for side, trial in zip(("with", "without"), pair.trials, strict=True):
        streamed = [event["token"] for event in found if event.get("side") == side and "token" in event]
        assert tuple(streamed) == trial.reply_tokens
    assert {"first", "projection", "prompt"} <= {key for event in found for key in event}
    key = next(event["key"] for event in found if "key" in event and "side" not in event)
    assert asked.events("save", subject=room["subject"], key=key)[-1]["saved"] == 2
    said = printed(kernel, "print([trial.key for trial in widget.trials], widget.session().subject.n_layers)")
    assert said.strip() == f"{[trial.key for trial in pair.trials]} 4"
    assert json.loads((path / "trials.jsonl").read_text().splitlines()[0])["key"] == pair.key
    assert command("analyze", path, "--json").code == 0


def test_what_does_not_fit_is_a_sentence_and_the_next_question_is_answered(view):
    asked, _, _ = view
    asked.events("open", subject="")
    question = {"concept": "bread", "layer": 2, "strength": 4.0, "wording": "plain", "task": "report"}
    assert "did you mean 'bread'" in asked.events("ask", **question | {"concept": "bred"})[-1]["error"]
    assert "layer: " in asked.events("ask", **question | {"layer": "two"})[-1]["error"]
    assert "ask again" in asked.events("save", key="0" * 32)[-1]["error"]
    assert any("reply" in event for event in asked.events("ask", **question))


def test_stop_ends_a_reply_and_cells_run_meanwhile(kernel, tmp_path):
    code = CODE.format(subject=str(lab.folder()), run=str(tmp_path), concepts=list(served.CONCEPTS[:2]), n=400)
    said = run(kernel, code.replace("widget", "other").replace("lab.other", "lab.widget"))
    shown = next(each["content"]["data"] for each in said if each["msg_type"] == "execute_result")
    asked = View(kernel, shown["application/vnd.jupyter.widget-view+json"]["model_id"])
    asked.events("open", subject="")
    question = {"concept": "bread", "layer": 2, "strength": 4.0, "wording": "plain", "task": "report"}
    asked.send(id="long", verb="ask", content=question)
    next(event for event in asked.heard("long") if "token" in event)
    asked.send(id="long", verb="stop")
    end = "import threading\n[t.join(60) for t in threading.enumerate() if t.name == 'lab']\n"
    said = printed(kernel, end + "print(other.laboratory.rooms.floor.taken, list(other.trials))")
    assert said.strip() == "False []"
