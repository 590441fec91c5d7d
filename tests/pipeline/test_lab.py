"""The live laboratory by a real client: who is let in, replies token by token, trials saved like any others."""

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import lab
import pytest
import served

ASK = {"concept": "bread", "layer": 2, "strength": 4.0, "where": "both", "wording": "plain", "task": "report"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served.serving(tmp_path_factory.mktemp("live") / "run") as one:
        yield one


@contextmanager
def asking(server):
    headers = {"X-Introspect-Token": server.token}
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=60) as one:
        yield one


@pytest.fixture
def client(server):
    with asking(server) as one:
        yield one


def ask(client, **changes):
    with client.stream("POST", "/ask", json=ASK | changes) as response:
        assert response.status_code == 200, response.read()
        return list(served.events(response))


def tokens(events, side):
    return [event["token"] for event in events if event.get("side") == side and "token" in event]


def key_of(events):
    return next(event["key"] for event in events if "key" in event and "side" not in event)


@pytest.mark.parametrize("token", ["", "wrong", "ünbekannt"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/open"), ("POST", "/ask"), ("POST", "/save"), ("GET", "/other")]
)
def test_nobody_without_the_token_is_let_in(server, method, path, token):
    address = f"http://127.0.0.1:{server.port}{path}"
    refused = httpx.request(method, address, params={"token": token} if token else {})
    assert refused.status_code == 403
    assert refused.text.count("\n") == 1
    assert server.token not in refused.text


def test_the_page_is_not_served_under_a_name_that_others_can_point_here(server):
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1", "localhost:1"):
        refused = httpx.get(server.address, headers={"Host": host})
        assert refused.status_code == 403, host
        assert "127.0.0.1" in refused.text
    assert httpx.get(server.address, headers={"Host": f"localhost:{server.port}"}).status_code == 200


def test_it_listens_on_this_machine_alone(server):
    assert server._socket.getsockname()[0] == "127.0.0.1"


def test_the_page_runs_its_own_script_and_nothing_else(server):
    shown = httpx.get(server.address)
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert server.token not in shown.text
    assert "http://" not in shown.text.replace("http://www.w3.org", "")


@pytest.mark.parametrize("where", ["both", "prompt", "generated", "cache"])
def test_what_is_streamed_is_what_the_subject_generates_with_the_vector_and_without(client, where):
    from introspect.lab.session import Ask
    from introspect.protocols.trials import request

    found = ask(client, where=where, sample=3)
    session = served.session()
    pair = session.pair(Ask(**ASK | {"where": where, "sample": 3}))
    for side, spec in zip(("with", "without"), pair.specs, strict=True):
        alone = lab.subject().generate([request(spec, session.materials(pair))])[0]
        assert tokens(found, side) == list(alone.tokens)
        assert len(tokens(found, side)) > 1
        done = next(event for event in found if event.get("side") == side and "reply" in event)
        assert done["key"] == spec.key
    assert pair.specs[0].vector is not None
    assert pair.specs[1].vector is None
    assert tokens(found, "with") != tokens(found, "without")


def test_the_model_is_let_go_when_whoever_asked_has_gone(tmp_path):
    with served.serving(tmp_path / "run", max_new_tokens=400) as one, asking(one) as client:
        with client.stream("POST", "/ask", json=ASK) as response:
            first = next(event for event in served.events(response) if "token" in event)
            assert first["side"] in {"with", "without"}
        working = [thread for thread in threading.enumerate() if thread.name == "lab"]
        for thread in working:
            thread.join(20)
        assert not one.rooms.session("")._kept  # the replies were not finished
        assert not one.rooms.floor.taken
        assert not any(block._forward_hooks for block in lab.subject().blocks)
        assert lab.subject().engine.ending._listener is None


def test_two_who_ask_at_once_are_answered_one_after_the_other(client):
    alone = [ask(client, concept=concept) for concept in ("bread", "silver")]
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda concept: ask(client, concept=concept), ("bread", "silver")))
    assert [tokens(each, "with") for each in found] == [tokens(each, "with") for each in alone]
    assert len({tuple(tokens(each, "with")) for each in found}) == 2


def test_both_sides_are_asked_the_same_prompt(client):
    from introspect.lab.session import Ask

    session = served.session()
    pair = session.pair(Ask(**ASK))
    injected, clean = session._requests(pair)
    assert injected.prompt.ids == clean.prompt.ids
    shown = ask(client)[0]["prompt"]
    assert "".join(text for text, _ in shown) == injected.prompt.text
    assert any(inside for _, inside in shown)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer": 9}, "layer 9 is outside"),
        ({"concept": "bred"}, "did you mean 'bread'"),
        ({"strength": -1}, "strength -1.0 is not"),
        ({"wording": "plane"}, "did you mean 'plain'"),
        ({"task": "reprot"}, "did you mean 'report'"),
        ({"where": "everywhere"}, "where: "),
        ({"layer": "two"}, "layer: "),
        ({"sample": -1}, "sample: "),
        ({"other": 1}, "other: "),
        ({"question": "What is {this}?"}, "slot {this}"),
        ({"question": "long " * 2000}, "exceed the context"),
    ],
)
def test_what_does_not_fit_is_one_sentence(client, changes, words):
    refused = client.post("/ask", json=ASK | changes)
    assert refused.status_code == 400, refused.text
    sentence = refused.json()["error"]
    assert words in sentence
    assert "\n" not in sentence


def test_a_request_that_is_no_json_or_too_long_is_refused(client):
    for content in (b"{", b"[1]", b"\xff", b"[" * 50_000, b" " * 200_000):
        assert client.post("/ask", content=content).status_code == 400


def test_the_first_token_is_read_with_the_vector_and_without(client):
    from introspect.lab.session import Ask
    from introspect.protocols.materials import option_tokens
    from introspect.protocols.trials import request
    from introspect.subjects.subject import Query

    found = next(event["values"] for event in ask(client) if "values" in event)
    session = served.session()
    pair, words = session.pair(Ask(**ASK)), tuple(session.subject.chat.first_tokens("bread"))
    for side, spec in zip(("with", "without"), pair.specs, strict=True):
        asked = request(spec, session.materials(pair))
        options = option_tokens(session.subject, ("yes", "no"))
        (read,) = session.subject.score([Query(asked.prompt, asked.injections, options=options, words=words)])
        yes, no = read.option_logprobs.tolist()
        assert found[side]["logodds"] == pytest.approx(yes - no, abs=1e-3)
        assert found[side]["rank"] == int(read.ranks.min())
        assert 0 < found[side]["mass"] < 1
    assert found["with"]["logodds"] != found["without"]["logodds"]


def test_a_saved_trial_is_one_that_analysis_report_and_replay_take(tmp_path, command):
    from introspect.analysis.analyze import analyze
    from introspect.analysis.runs import load_run

    path = tmp_path / "run"
    with served.serving(path) as one, asking(one) as client:
        assert client.post("/save", json={"key": "0" * 32}).status_code == 400
        assert not path.exists()
        shipped = ask(client)
        own = ask(client, question="What is on your mind, and why?", layer=1, strength=2.0, concept="oceans")
        for events, n in ((shipped, 2), (own, 4), (shipped, 4)):
            saved = client.post("/save", json={"key": key_of(events)})
            assert (saved.status_code, saved.json().get("saved")) == (200, n), saved.text
    run = load_run(path)
    trials = {trial.key: trial for trial in run.trials}
    assert len(trials) == 4 == run.manifest.n_planned
    assert trials[key_of(shipped)].reply_tokens == tuple(tokens(shipped, "with"))
    assert [trials[key_of(own)].spec.concept, trials[key_of(own)].spec.layer] == ["oceans", 1]
    assert analyze(path).run.manifest.plan.only == ("bread", "oceans")
    again = command("replay", path, *trials, "--json")
    assert again.code == 0, again.err
    assert command("report", path).code == 0
    assert (path / "report.html").is_file()
    assert len((path / "projections.jsonl").read_text().splitlines()) == 2


def looked_at(path, session):
    """Look at a folder for a session's trials."""
    from introspect.lab.folder import check_folder

    check_folder(path, session.plan, session.subject.identity, session.vectors.provenance.digest)


def test_a_run_of_a_plan_takes_no_live_trials(tmp_path):
    from introspect.errors import RunFolderError
    from introspect.lab.folder import save
    from introspect.lab.session import Ask

    session = served.session()
    save(tmp_path / "live", session, session.answer(session.pair(Ask(**ASK)), lambda event: None))
    looked_at(tmp_path / "live", session)
    with pytest.raises(RunFolderError, match="another temperature"):
        looked_at(tmp_path / "live", served.session(temperature=0.5))
    other = served.session(name="grid")
    save_as = tmp_path / "grid"
    save(save_as, other, other.answer(other.pair(Ask(**ASK)), lambda event: None))
    with pytest.raises(RunFolderError, match="a folder of their own"):
        looked_at(save_as, session)


def open_one(client, subject):
    with client.stream("POST", "/open", json={"subject": subject}) as response:
        assert response.status_code == 200, response.read()
        return list(served.events(response))


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """The small subject and an organism that reports injected concepts, one of them in memory at a time."""
    path = tmp_path_factory.mktemp("several") / "run"
    with served.serving(path, "tiny-introspector", keep=1, max_new_tokens=32) as one:
        yield one, path


def test_another_subject_is_loaded_when_it_is_chosen_and_saves_to_a_folder_of_its_own(several, command):
    server, path = several
    first = server.rooms.names[0]
    with asking(server) as client:
        told = open_one(client, "tiny-introspector")
        assert {"loading": "loading the subject"} in told
        counted = [event for event in told if event.get("loading") == "reading concept vectors"]
        assert counted[0]["done"] == 0
        assert counted[-1]["done"] == counted[-1]["total"] > 100
        room = told[-1]["room"]
        assert (room["layer"], room["strength"], room["last_layer"]) == (2, 1.5, 6)
        question = {key: room["questions"][0][key] for key in ("wording", "task")}
        asked = {"subject": "tiny-introspector", "concept": "trumpets", "layer": 2, "strength": 1.5, **question}
        found = ask(client, **asked)
        replies = {event["side"]: event["reply"] for event in found if "reply" in event}
        assert "trumpets" in replies["with"]
        assert "trumpets" not in replies["without"]
        saved = client.post("/save", json={"subject": "tiny-introspector", "key": key_of(found)}).json()
        assert saved["folder"] == str(path / "tiny-introspector")
        away = client.post("/ask", json=ASK | {"subject": first})
        assert away.status_code == 400
        assert "choose it again" in away.json()["error"]
        again = open_one(client, first)
        assert "reading concept vectors" not in {event.get("loading") for event in again}  # they were kept
        saved = client.post("/save", json={"subject": first, "key": key_of(ask(client, subject=first))}).json()
        assert (saved["saved"], Path(saved["folder"]).parent) == (2, path)
    for each in path.iterdir():
        assert command("analyze", each, "--json").code == 0
    replayed = command("replay", path / "tiny-introspector", key_of(found), "--json")
    assert replayed.code == 0, replayed.err
    page = command("report", *path.iterdir(), "--out", path.parent / "both.html")
    assert page.code == 0, page.err


def test_a_subject_that_cannot_be_opened_is_one_sentence_and_the_others_go_on(several):
    server, _ = several
    with asking(server) as client:
        refused = client.post("/open", json={"subject": "tiny-introspecter"})
        assert refused.status_code == 400
        assert "did you mean 'tiny-introspector'" in refused.json()["error"]
    with served.serving(several[1].parent / "other", str(lab.folder() / "nowhere")) as one, asking(one) as client:
        told = open_one(client, str(lab.folder() / "nowhere"))
        assert "there is no file or folder" in told[-1]["error"]
        assert not one.rooms.floor.taken
        assert key_of(ask(client))


def test_who_goes_away_while_a_subject_is_loaded_lets_go_of_the_machine(several):
    server, path = several
    server.rooms._vectors.pop("tiny-introspector", None)
    (path / "tiny-introspector" / "vectors.safetensors").unlink(missing_ok=True)
    with asking(server) as client:
        open_one(client, server.rooms.names[0])
        with client.stream("POST", "/open", json={"subject": "tiny-introspector"}) as response:
            next(event for event in served.events(response) if event.get("done", -1) >= 0)
    for thread in [thread for thread in threading.enumerate() if thread.name == "lab"]:
        thread.join(20)
    assert not server.rooms.floor.taken
    with asking(server) as client:
        assert "room" in open_one(client, server.rooms.names[0])[-1]


def test_a_port_that_is_taken_is_one_sentence(server, tmp_path):
    from introspect.errors import IntrospectError
    from introspect.lab.serve import Served

    with pytest.raises(IntrospectError, match=f"port {server.port} of 127.0.0.1 cannot be had"):
        Served(served.rooms(tmp_path), server.port)


def test_the_command_serves_what_it_prints_and_ctrl_c_ends_it_in_the_middle_of_a_reply(tmp_path):
    import introspect

    (tmp_path / "few.toml").write_text('words = ["bread", "silver"]')
    options = ["--concepts", "few.toml", "--max-new-tokens", "500", "--device", "cpu", "--dtype", "float32"]
    code = "from introspect.cli.app import main; main()"
    command = [sys.executable, "-c", code, "lab", str(lab.folder()), "--no-browser", *options]
    here = str(Path(introspect.__file__).parents[1])
    settings = {**os.environ, "INTROSPECT_CACHE": str(tmp_path / "cache"), "PYTHONPATH": here}
    with subprocess.Popen(
        command, cwd=tmp_path, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", process.stdout.readline())[0]
        assert httpx.get(address).status_code == 200
        home, _, token = address.partition("?token=")
        with (
            httpx.Client(headers={"X-Introspect-Token": token}, timeout=60) as client,
            client.stream("POST", f"{home}ask", json=ASK) as response,
        ):
            next(event for event in served.events(response) if "token" in event)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert process.wait(20) == 0, said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()
