"""Keys come from the environment and stay there: no record, log, page, cache, error or line of output has one."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import handmade
import pytest

pytestmark = pytest.mark.torture

KEYS = {
    "TEST_API_KEY": "sk-test-5f0c1f7e9d",
    "OPENAI_API_KEY": "sk-openai-77ab31c2",
    "ANTHROPIC_API_KEY": "sk-ant-90d1e2f3a4",
    "HF_TOKEN": "hf_abcdefghijklmnop",
    "NDIF_API_KEY": "ndif-1234567890abc",
}
IN_URL = "user:hunter2-in-the-url"
JUDGE = ("--with", "judge", "--judge", "openai-api/test/rules", "--tries", "1", "--timeout", "20")


@pytest.fixture(autouse=True)
def keys(monkeypatch, tmp_path):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path / "cache"))


class Indiscreet(BaseHTTPRequestHandler):
    """A server that shows back the key it was given, with the status its address asks for."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        shown = f"rejected {self.headers['authorization']}, known keys {' '.join(KEYS.values())}"
        body = json.dumps({"error": {"message": shown, "type": "x", "code": shown}}).encode()
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Indiscreet) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{found.server_port}"
        found.shutdown()


def leaks(finished, *folders):
    """Everything that holds a key."""
    texts = {"standard output": finished.out.encode(), "standard error": finished.err.encode()}
    texts |= {str(file): file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()}
    secrets = [key.encode() for key in (*KEYS.values(), IN_URL, IN_URL.partition(":")[2])]
    return [where for where, text in texts.items() if any(secret in text for secret in secrets)]


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_server_that_shows_the_key_back_puts_it_nowhere(command, server, tmp_path, status):
    run = handmade.replies_run(tmp_path / "run", {"concept": ["Yes.", "No.", "Bread."]}, {"bread": ("bread",)})
    url = f"http://{IN_URL}@{server}/{status}/v1"
    finished = command("grade", run, *JUDGE, "--base-url", url, "--log", tmp_path / "run" / "log.jsonl", "--verbose")
    assert finished.code == 2
    assert "rejected" in finished.err, "the server was asked"
    assert leaks(finished, tmp_path) == []
    assert "[key]" in finished.err
    assert "[key]" in (tmp_path / "run" / "log.jsonl").read_text()


def test_a_whole_run_with_log_page_export_and_figures_has_no_key(command, plan_file, tmp_path):
    log = tmp_path / "log.jsonl"
    few = ("--max-trials", "6", "--log", log, "--verbose")
    ran = command("run", plan_file, "--out", tmp_path / "run", *few)
    assert ran.code == 0, ran.err
    assert leaks(ran, tmp_path) == []
    for arguments in (("analyze", tmp_path / "run", "--json"), ("report", tmp_path / "run")):
        finished = command(*arguments)
        assert finished.code == 0
        assert leaks(finished, tmp_path) == []
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"time", "level", "where", "message"} <= set(lines[0])
    assert [line["message"] for line in lines[:1]] == ["run begins"]
    assert lines[-1]["message"].startswith("run done in")
    assert any(line.get("trials") == 6 for line in lines)


def test_a_key_is_taken_out_of_any_sentence():
    from introspect.judges.model import Settings
    from introspect.redaction import redacted

    key = KEYS["TEST_API_KEY"]
    assert redacted(f"Bearer {key}; {key}") == "Bearer [key]; [key]"
    assert redacted(f"http://{IN_URL}@host/v1 and https://host/@x") == "http://[key]@host/v1 and https://host/@x"
    assert redacted("my own given one", "given") == "my own [key] one"
    assert redacted("an ordinary sentence about bread") == "an ordinary sentence about bread"
    assert key not in repr(Settings(api_key=key))


def test_quiet_says_nothing_and_verbose_says_more(command, plan_file, tmp_path):
    quiet = command("run", plan_file, "--out", tmp_path / "run", "--max-trials", "4", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    verbose = command("run", plan_file, "--out", tmp_path / "run", "--max-trials", "6", "--verbose")
    assert "introspect: 2 trials of 6 are to be run" in verbose.err
    assert "next: introspect analyze" in verbose.err
    nowhere = command("run", plan_file, "--out", tmp_path / "run", "--log", plan_file / "log")
    assert nowhere.code == 2
    assert "the log" in nowhere.err
    assert "choose another --log" in nowhere.err
