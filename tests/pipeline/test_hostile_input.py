"""Files, weights and texts that others wrote: what is built to harm is refused in a sentence, and runs nothing."""

import ast
import builtins
import functools
import json
import re
import shutil
import struct
import time
import zipfile
from pathlib import Path

import handmade
import pytest
from sentences import is_one_sentence

pytestmark = pytest.mark.torture

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "introspect").rglob("*.py"))
ESCAPES = "\x1b[31m\x1b]0;owned\x07\x9b2J\x00"
BIDI = "\u202eevil\u2066\u200f"
MARKUP = "[red]x[/red][/nothing][link=http://a.b]y[/link]:smile:"
TAGS = "<script>alert(1)</script><img src=x onerror=alert(1)></script>"
HOSTILE = f"Yes, I notice bread {ESCAPES}{BIDI}{MARKUP}{TAGS}"
ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


# Chat templates run in the library's sandbox.

TEMPLATES = {
    "reaches for every class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "reaches for the globals": "{{ lipsum.__globals__['os'].system('touch MARK') }}",
    "reaches through a loop": "{{ cycler.__init__.__globals__.os.popen('touch MARK').read() }}",
    "reaches through a message": "{{ messages[0].__class__.__base__.__subclasses__()[0]('touch MARK') }}",
    "changes what it is given": "{{ messages.clear() }}",
    "loads a file": "{% include '/etc/passwd' %}",
    "counts for ever": "{% for i in range(10**12) %}x{% endfor %}",
    "divides by zero": "{{ 1 // 0 }}",
    "calls itself for ever": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "is none": "{% for",
    "says nothing": "x",
}


@pytest.fixture(scope="module")
def tokenizer(model_folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model_folder)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_chat_template_that_tries_to_get_out_is_refused_and_runs_nothing(tokenizer, tmp_path, template):
    from introspect.errors import TemplateError
    from introspect.subjects.chat import Chat

    tokenizer.chat_template = template.replace("MARK", str(tmp_path / "mark"))
    chat = Chat(tokenizer, "hostile")
    chat.end_of_turn()
    with pytest.raises(TemplateError, match="the chat template of hostile does not take this conversation"):
        chat.ask("Do you notice anything?")
    assert not (tmp_path / "mark").exists()


def test_a_model_file_with_such_a_template_loads_and_is_refused_at_the_first_question(command, tmp_path):
    from gguf_files import write_gguf

    hostile = TEMPLATES["reaches for the globals"].replace("MARK", str(tmp_path / "mark"))
    file = write_gguf(tmp_path / "hostile.gguf", template=hostile)
    assert is_one_sentence(command("ask", file, "Hello?"), "chat template", "unsafe")
    assert not (tmp_path / "mark").exists()


# GGUF files: every count against the bytes that are there.

STRING, ARRAY, U8, U32, F32 = 8, 9, 0, 4, 0


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def tensor(name="a", shape=(4,), kind=F32, at=0):
    return text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}QIQ", *shape, kind, at)


def gguf(fields=b"", n_fields=0, tensors=b"", n_tensors=0, data=bytes(64), version=3):
    head = struct.pack("<4sIQQ", b"GGUF", version, n_tensors, n_fields) + fields + tensors
    return head + bytes(-len(head) % 32) + data


def nested(depth, n=2**40):
    value = struct.pack("<IQ", U8, n)
    for _ in range(depth):
        value = struct.pack("<IQ", ARRAY, 1) + value
    return text("x") + struct.pack("<I", ARRAY) + value


FILES = {
    "a trillion fields": gguf(n_fields=2**40),
    "a trillion tensors": gguf(n_tensors=2**40),
    "a text without end": gguf(struct.pack("<Q", 2**62) + b"x", 1),
    "an array without end": gguf(nested(0), 1),
    "texts without end": gguf(text("x") + struct.pack("<IIQ", ARRAY, STRING, 2**60), 1),
    "arrays in arrays in arrays": gguf(nested(2000), 1),
    "a name that is no text": gguf(struct.pack("<Q", 2) + b"\xe7e" + struct.pack("<IB", 7, 1), 1),
    "a field of no type": gguf(text("x") + struct.pack("<II", 99, 0), 1),
    "an alignment of three": gguf(text("general.alignment") + struct.pack("<II", U32, 3), 1),
    "a billion dimensions": gguf(tensors=text("a") + struct.pack("<I", 2**30), n_tensors=1),
    "a shape beyond any memory": gguf(tensors=tensor(shape=(2**40, 2**40)), n_tensors=1),
    "a shape that wraps round": gguf(tensors=tensor(shape=(2**32, 2**32, 2**3)), n_tensors=1),
    "an empty shape": gguf(tensors=tensor(shape=(4, 0)), n_tensors=1),
    "a tensor behind the end": gguf(tensors=tensor(at=2**50), n_tensors=1),
    "tensors that overlap": gguf(tensors=tensor("a", (8,)) + tensor("b", (8,), at=16), n_tensors=2),
    "one tensor twice": gguf(tensors=tensor() + tensor(), n_tensors=2),
    "a tensor of no type": gguf(tensors=tensor(kind=77), n_tensors=1),
    "half a block": gguf(tensors=tensor(shape=(5,), kind=8), n_tensors=1),
    "version 9": gguf(version=9),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_gguf_file_that_promises_what_it_cannot_hold_is_refused_at_once(tmp_path, data):
    from introspect.errors import StimulusError, SubjectError
    from introspect.subjects.gguf import unpacked
    from introspect.vectors.gguf_file import read_gguf

    file = tmp_path / "hostile.gguf"
    file.write_bytes(data)
    begun = time.process_time()
    with pytest.raises(SubjectError, match="hostile.gguf"):
        unpacked(file)
    with pytest.raises(StimulusError, match="hostile.gguf"):
        read_gguf(file)
    assert time.process_time() - begun < 2


# safetensors files.


def safetensors(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def entry(start, stop):
    return {"dtype": "F32", "shape": [1], "data_offsets": [start, stop]}


WEIGHTS = {
    "tensors that overlap": safetensors({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)),
    "a gap": safetensors({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)),
    "an offset below zero": safetensors({"a": entry(-4, 4)}, bytes(4)),
    "an end before its beginning": safetensors({"a": entry(0, 4), "b": entry(4, 0)}, bytes(4)),
    "an offset that is none": safetensors({"a": entry(0, True)}, bytes(1)),
    "no tensor": safetensors({}),
    "no object": safetensors([1, 2]),
    "lists in lists": safetensors(b"[" * 200_000),
    "a header that is not there": struct.pack("<Q", 2**63),
    "nothing": b"",
}


@pytest.mark.parametrize("data", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_whose_header_lies_are_refused(tmp_path, data):
    from introspect.errors import StimulusError, SubjectError
    from introspect.subjects.weights import checked_weights
    from introspect.vectors.vector import load_vectors

    (tmp_path / "config.json").write_text("{}")
    file = tmp_path / "model.safetensors"
    file.write_bytes(data)
    with pytest.raises(SubjectError, match="damaged or half-downloaded|are damaged"):
        checked_weights(tmp_path)
    with pytest.raises(StimulusError, match="vector file|not one of concept vectors"):
        load_vectors(file)


def test_a_header_of_two_gigabytes_is_refused_and_not_read(tmp_path):
    from introspect.errors import StimulusError, SubjectError
    from introspect.subjects.weights import checked_weights
    from introspect.vectors.vector import load_vectors

    (tmp_path / "config.json").write_text("{}")
    file = tmp_path / "model.safetensors"
    with file.open("wb") as sparse:
        sparse.write(struct.pack("<Q", 2 << 30) + b"{")
        sparse.truncate(3 << 30)
    begun = time.process_time()
    with pytest.raises(SubjectError, match="their header cannot be read"):
        checked_weights(tmp_path)
    with pytest.raises(StimulusError, match="cannot be read"):
        load_vectors(file)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors", "..", "a\x00b", "9" * 5000]
)
def test_an_index_that_names_files_elsewhere_is_refused(tmp_path, name):
    from introspect.errors import SubjectError
    from introspect.subjects.weights import checked_weights

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(SubjectError, match="stand beside their index"):
        checked_weights(tmp_path)


def test_vectors_that_are_not_of_the_shape_they_say_are_refused(run_folder):
    import torch
    from safetensors.torch import load_file, save_file

    from introspect.errors import StimulusError
    from introspect.vectors.vector import load_vectors

    file = run_folder / "vectors.safetensors"
    provenance = load_vectors(file).provenance.model_dump_json()
    good = load_file(file)
    for wrong in (torch.zeros(4, 31), torch.zeros(32), torch.zeros(4, 32, dtype=torch.float16)):
        save_file({**good, "bread": wrong}, file, {"introspect": provenance})
        with pytest.raises(StimulusError, match="'bread' as .* it says of itself that its vectors are float32"):
            load_vectors(file)


def test_packed_questions_are_not_unpacked(tmp_path):
    from introspect.errors import StimulusError
    from introspect.multiple_choice import load_multiple_choice

    (tmp_path / "q").mkdir()
    with zipfile.ZipFile(tmp_path / "q" / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("questions.jsonl", bytes(10_000_000))
    for source in (tmp_path / "q", tmp_path / "q" / "bomb.zip"):
        with pytest.raises(StimulusError, match=r"packed files \(bomb.zip\), which are not unpacked"):
            load_multiple_choice(str(source))


# Names that lead out of the folder.


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/out", "a/b", "a\\\\b", "..", ".", "", "a\\nb", "a\\u202eb", "x" * 300]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(command, tmp_path, name):
    plan = tmp_path / "inside" / "battery.toml"
    plan.parent.mkdir()
    experiments = f'[[experiment]]\nname = "{name}"\nlayers = [1]\n'
    plan.write_text(experiments)
    assert is_one_sentence(command("run", plan, "--out", tmp_path / "inside" / "runs"), "folder", "name")
    plan.write_text(f'name = "{name}"\nlayers = [1]\n')
    assert is_one_sentence(command("run", plan), "folder", "name")
    plan.write_text(f'{experiments}[criteria]\nchoose = "{name}"\n')
    assert is_one_sentence(command("run", plan, "--out", tmp_path / "inside" / "runs"), "folder", "name")
    assert [entry.name for entry in tmp_path.iterdir()] == ["inside"]


def test_a_study_that_names_folders_elsewhere_is_refused(command, tmp_path):
    content = {"schema_version": 3, "rules": {}, "salt": "s", "sides": {}, "experiments": ["../../elsewhere"]}
    (tmp_path / "study.json").write_text(json.dumps(content))
    assert is_one_sentence(command("analyze", tmp_path), "study.json is damaged")


def test_a_vector_file_whose_concepts_are_paths_is_exported_into_its_folder(command, run_folder, tmp_path):
    from introspect.vectors.vector import VectorSet, load_vectors

    loaded = load_vectors(run_folder / "vectors.safetensors")
    rows = next(iter(loaded.directions.values()))
    names = ("../../up", "a\\b", "c\x00d")
    VectorSet({name: rows.clone() for name in names}, loaded.provenance).save(tmp_path / "v.safetensors")
    out = tmp_path / "deep" / "out"
    assert command("vectors", "export", tmp_path / "v.safetensors", "--out", out).code == 0
    assert sorted(file.name for file in out.iterdir()) == ["..-..-up.gguf", "a-b.gguf", "c-d.gguf"]
    assert {entry.name for entry in tmp_path.iterdir()} == {"deep", "run", "v.safetensors"}


# Code that comes with files.


def test_no_file_can_turn_on_code_that_comes_with_weights(tmp_path):
    from introspect.errors import PlanError
    from introspect.sweeps.plans import load_battery, load_plan

    plan = tmp_path / "p.toml"
    for value in ("true", "1", '"yes"'):
        plan.write_text(f"trust_remote_code = {value}\nlayers = [1]\n")
        with pytest.raises(PlanError, match=r"which no file can; .* say so yourself: --set trust_remote_code=true"):
            load_plan(plan)
        plan.write_text(f"[[experiment]]\ntrust_remote_code = {value}\nlayers = [1]\n")
        with pytest.raises(PlanError, match="which no file can"):
            load_battery(plan)
    plan.write_text("trust_remote_code = false\nlayers = [1]\n")
    assert load_plan(plan).trust_remote_code is False
    assert load_plan(plan, ["trust_remote_code=true"]).trust_remote_code is True


def test_code_that_comes_with_weights_is_off_everywhere():
    """It is a choice of the person's, handed on and never made here."""
    for file in MODULES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert not (isinstance(node.value, ast.Constant) and node.value.value), file
            if isinstance(node, ast.arguments):
                named = [*node.args[len(node.args) - len(node.defaults) :], *node.kwonlyargs]
                for argument, default in zip(named, [*node.defaults, *node.kw_defaults], strict=True):
                    if argument.arg == "trust_remote_code" and default is not None:
                        assert isinstance(default, ast.Constant), file
                        assert default.value is False, file
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "trust_remote_code":
                assert node.value.value is False, file
    plans = [*(ROOT / "experiments").rglob("*.toml"), *(ROOT / "introspect").rglob("*.toml")]
    assert plans
    assert not [plan for plan in plans if "trust_remote_code" in plan.read_text("utf-8")]


UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "pandas.io.pickle"}
UNPACKERS = {"zipfile", "tarfile", "gzip", "bz2", "lzma"}
CALLS = {
    "torch.load",
    "np.load",
    "numpy.load",
    "pd.read_pickle",
    "yaml.load",
    "shutil.unpack_archive",
    "zlib.decompress",
    "eval",
    "exec",
}


def test_no_module_reads_pickles_or_archives_or_runs_text():
    for file in MODULES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not set(names) & (UNPICKLERS | UNPACKERS), f"{file} imports {names}"
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in CALLS, f"{file} calls {ast.unparse(node.func)}"


class Bomb:
    """What a pickle runs when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return builtins.open, (str(self.mark), "w")


def pickled(mark):
    import pickle  # noqa: TID251 - to write one that must never be read

    return pickle.dumps(Bomb(mark))


def test_the_bomb_would_go_off(tmp_path):
    import pickle  # noqa: TID251 - see above

    pickle.loads(pickled(tmp_path / "mark")).close()
    assert (tmp_path / "mark").exists()


def readers(folder):
    """Every reader of a file that others may have written, with the file's name in a folder."""
    from introspect.analysis.calibration import read_calibration
    from introspect.concepts import load_concepts
    from introspect.graders.labels import load_labels
    from introspect.multiple_choice import load_multiple_choice
    from introspect.stimuli import load_stimuli
    from introspect.subjects.load import load_subject
    from introspect.sweeps import reading as runs
    from introspect.sweeps.claims import graders_in
    from introspect.sweeps.plans import load_battery, load_plan, load_study
    from introspect.vectors.control_vector import read_control_vector
    from introspect.vectors.sae import load_dictionary
    from introspect.vectors.vector import load_vectors

    at_file = {
        "plan.toml": [load_plan, load_battery, load_study],
        "concepts.toml": [load_concepts],
        "concepts.csv": [load_concepts],
        "stimuli.toml": [load_stimuli],
        "stimuli.json": [load_stimuli],
        "vectors.safetensors": [load_vectors],
        "vector.gguf": [read_control_vector, load_subject],
        "labels.jsonl": [load_labels],
        "calibration.json": [read_calibration],
        "questions/train.pkl": [lambda file: load_multiple_choice(str(file.parent))],
        "model/pytorch_model.bin": [lambda file: load_subject(file.parent)],
        "sae/sae_weights.safetensors": [lambda file: load_dictionary(str(file.parent))],
    }
    in_folder = {
        "manifest.json": [runs.read_manifest],
        "trials.jsonl": [runs.read_trials],
        "prompts.jsonl": [runs.read_prompts],
        "effects.json": [runs.read_effects],
        "readers.json": [runs.read_readers],
        "study.json": [runs.read_study],
        "claims/rules.json": [graders_in],
    }
    for name, functions in at_file.items():
        for function in functions:
            yield name, functools.partial(function, folder / name)
    for name, functions in in_folder.items():
        for function in functions:
            yield name, functools.partial(function, folder)


def test_a_pickle_in_the_place_of_any_file_is_refused_and_never_run(tmp_path):
    from introspect.errors import IntrospectError

    mark = tmp_path / "mark"
    folder = tmp_path / "files"
    for name, read in readers(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(pickled(mark) + b"\n")
        if name.startswith("model/"):
            (folder / "model" / "config.json").write_text('{"model_type": "llama"}')
        if name.startswith("sae/"):
            (folder / "sae" / "cfg.json").write_text('{"architecture": "standard"}')
        with pytest.raises(IntrospectError):
            read()
        assert not mark.exists(), name


# What a subject says, and what a file calls itself, is hostile text.


@pytest.fixture
def hostile_run(tmp_path):
    """A run in which everything that can be text is hostile: question, subject, concept, wording, reply."""
    from introspect.records import Plan, Prompt, Trial, TrialSpec, VectorRef

    concept = f"bread{ESCAPES}{BIDI}{MARKUP}"
    trials = []
    for i in range(8):
        vector = VectorRef(family="concept", concept=concept) if i % 2 else None
        spec = TrialSpec(
            protocol="injected_thought", subject="f" * 32, dtype="float32", arm="concept" if vector else "none",
            task="report", wording=HOSTILE, wording_hash="w", vector=vector, vectors_hash="v",
            layer=1 if vector else None, concept=concept if vector else None, strength=2.0 if vector else None,
            span="trial", where="both", sample=i, max_new_tokens=60, temperature=1.0,
        )  # fmt: skip
        trials.append(Trial(key=spec.key, spec=spec, prompt="p", reply=HOSTILE, finish="stop", audits=()))
    plan = Plan(name="p[red]x[nothing]", question=HOSTILE, layers=(1,), strengths=(2.0,), concepts=(concept,))
    prompt = Prompt(id="p", text=HOSTILE, format="chat", offsets=((0, 5), (5, 7)))
    return handmade.write_run(tmp_path / "run", trials, plan, {concept: (concept,)}, prompts=[prompt])


def test_nothing_in_a_run_acts_on_the_terminal(command, hostile_run, tmp_path):
    from introspect.sweeps.claims import graders_in, read_claims

    other = shutil.copytree(hostile_run, tmp_path / "other")
    commands = [
        ("analyze", hostile_run, "--cells"),
        ("analyze", hostile_run, "--json"),
        ("grade", hostile_run, "--with", "rules"),
        ("compare", hostile_run, other),
        ("figures", hostile_run, "--out", tmp_path / "figures"),
        ("report", hostile_run),
        ("export", hostile_run, "--to", "csv"),
    ]
    for arguments in commands:
        finished = command(*arguments)
        assert finished.code == 0, finished
        assert not ACTING.search(finished.out), (arguments, finished.out)
        assert not ACTING.search(finished.err), (arguments, finished.err)
    assert json.loads(command("analyze", hostile_run, "--json").out)["question"] == HOSTILE
    (grader,) = graders_in(hostile_run)
    assert len(read_claims(hostile_run, grader)[1]) == 8


def test_the_page_of_such_a_run_keeps_it_as_text_under_a_policy_that_loads_nothing(command, hostile_run):
    assert command("report", hostile_run).code == 0
    page = (hostile_run / "report.html").read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy.replace("&#39;", "'")
    data = re.sub(r"<script[^>]*>(?!\s*[\[{]).*?</script>", "", page, flags=re.DOTALL)  # all but the page's own scripts
    assert "<script>alert(1)" not in data
    assert "<img src=x" not in data
    assert not ACTING.search(data)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", data)


def test_an_error_shows_hostile_text_as_it_is(command, tmp_path):
    plan = tmp_path / "p.toml"
    plan.write_text(f"layers = [1]\n{json.dumps('k' + ESCAPES[:-1] + BIDI + MARKUP)} = 1\n".replace("\x7f", ""))
    finished = command("run", plan)
    assert is_one_sentence(finished, "unknown key", "[red]x[/red]")
    assert not ACTING.search(finished.err)


def test_a_terminal_interprets_nothing_and_shows_what_is_hidden(capsys, monkeypatch):
    from rich.table import Table
    from rich.text import Text

    from introspect.progress import track
    from introspect.terminal import Console

    monkeypatch.setenv("COLUMNS", "400")
    out = Console()
    out.print(HOSTILE)
    out.print(Text(HOSTILE))
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    out.print(table)
    with track(HOSTILE, 2) as advance:
        advance.last -= 20
        advance(1, HOSTILE)
    shown = "".join(capsys.readouterr())
    assert not ACTING.search(shown)
    assert shown.count("[red]x[/red][/nothing][link=http://a.b]y[/link]:smile:") == 7
    assert "␛[31m" in shown
    assert "⟦U+202E⟧evil" in shown


def test_the_bar_of_a_terminal_interprets_nothing_either(capsys, monkeypatch):
    from introspect.progress import track

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "400")
    with track(f"{MARKUP}{BIDI}", 2) as advance:
        advance(1, MARKUP)
    shown = capsys.readouterr().err
    assert "[/nothing]" in shown
    assert "\u202e" not in shown


def test_json_on_a_terminal_hides_nothing_and_reads_back_equal():
    from introspect.terminal import json_text

    value = {HOSTILE: [HOSTILE, "ordinary é 😀 text", 1.5, None]}
    assert not ACTING.search(json_text(value))
    assert json.loads(json_text(value)) == value
    assert "ordinary é 😀 text" in json_text(value)
