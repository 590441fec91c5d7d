"""Whatever is in a file, its reader gives a value or one of our own errors, and nothing else.

Each reader gets files that were written by the lab itself and then broken. ``TORTURE_SECONDS`` is how long all of them
together are fed, each its share; without it, each gets a few dozen files.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from mutation import broken

pytestmark = pytest.mark.torture

SECONDS = float(os.environ.get("TORTURE_SECONDS", "0"))
FEW, MANY = 40, 200
ROOT = Path(__file__).parents[2]
RUN_FILES = ("manifest.json", "trials.jsonl", "prompts.jsonl")


@dataclass
class Read:
    """A file as others find it, where to break it, and what reads it."""

    file: Path
    seeds: list[bytes]
    read: Callable[[Path], object]


NAMES = [
    "manifest", "trials", "recovery", "prompts", "effects", "readers", "study", "claims", "grading", "plan", "battery",
    "study file", "concepts toml", "concepts csv", "stimuli toml", "stimuli json", "vectors", "control vector",
    "gguf layout", "weights", "index", "labels", "calibration", "sampled texts", "judges answer", "cache entry",
    "remembered hash",
]  # fmt: skip


@pytest.fixture(scope="module")
def reads(finished_run, tmp_path_factory):
    """Every reader, each with a folder of its own."""
    home = tmp_path_factory.mktemp("fuzz")
    found = {**_of_runs(finished_run, home), **_of_texts(home), **_of_numbers(finished_run, home)}
    found |= {**_of_grading(home), **_of_caches(home)}
    assert list(found) == [name for name in NAMES if name in found]
    assert set(found) == set(NAMES)
    return {name: found[name] for name in NAMES}


def _of_runs(finished_run, home):
    from introspect.records import Candidate, Effect, Effects, Prompt, Reader, Readers, Rules, Study
    from introspect.sweeps import reading as runs
    from introspect.sweeps.claims import graders_in, read_claims
    from introspect.sweeps.folder import RunFolder

    run = Path(shutil.copytree(finished_run, home / "run"))
    effect = Effect(family="random", layer=1, strength=2.0, scale=1.1, reached=0.1, wanted=0.1)
    reader = Reader(key="k", arm="concept", concept="bread", named="bread", score=0.5)
    study = Study(
        schema_version=3, rules=Rules(), salt="s", sides={"bread": "report"}, experiments=("choose",),
        candidates=(Candidate(layer=1, strength=2.0, score=0.5, n=3),), layer=1, strength=2.0,
    )  # fmt: skip
    with RunFolder(run) as folder:
        folder.write(
            runs.EFFECTS, Effects(n_texts=1, concepts=("bread",), effects=(effect,)).model_dump_json().encode()
        )
        folder.write(runs.READERS, Readers(layer=1, rows=(reader,)).model_dump_json().encode())
        folder.write(runs.STUDY, study.model_dump_json(indent=1).encode())
    _grade(run)
    (claims,) = (run / "claims").glob("*.jsonl")
    some, who = b"\n".join(claims.read_bytes().splitlines()[:4]) + b"\n", claims.with_suffix(".json")

    def recover(file):
        from introspect.sweeps.recovery import repair

        repair(file, file.parent, Prompt)
        assert runs.read_prompts(file.parent) is not None
        return file

    def of(name, read):
        return Read(run / name, [(run / name).read_bytes()], lambda file: read(file.parent))

    def lines(name, read):
        whole = (run / name).read_bytes()
        some = b"".join(line + b"\n" for line in whole.splitlines()[:3])
        return Read(run / name, [some, some.replace(b',"check":', b',"chuck":')], lambda file: read(file.parent))

    prompts = lines("prompts.jsonl", runs.read_prompts)
    other = home / "recovery" / "prompts.jsonl"
    other.parent.mkdir()
    return {
        "manifest": of("manifest.json", runs.read_manifest),
        "trials": lines("trials.jsonl", runs.read_trials),
        "recovery": Read(other, prompts.seeds, recover),
        "prompts": prompts,
        "effects": of("effects.json", runs.read_effects),
        "readers": of("readers.json", runs.read_readers),
        "study": of("study.json", runs.read_study),
        "claims": Read(claims, [some], lambda _: read_claims(run, claims.stem)),
        "grading": Read(who, [who.read_bytes()], lambda _: graders_in(run)),
    }


def _grade(run):
    from introspect.graders.rules import RuleGrader
    from introspect.judges.grading import grade_by_rules

    grade_by_rules(run, RuleGrader())


def _of_texts(home):
    from introspect.concepts import load_concepts
    from introspect.stimuli import load_stimuli
    from introspect.sweeps.plans import load_battery, load_plan, load_study

    plans = [file.read_bytes() for file in sorted((ROOT / "experiments").rglob("*.toml"))]
    batteries = [data for data in plans if b"[[experiment]]" in data]
    studies = [data for data in plans if b"[criteria]" in data]
    shipped = ROOT / "introspect" / "data"
    lists = [b'title = "t"\nwords = ["bread", "silver"]\n', (shipped / "concepts" / "example_pairs.toml").read_bytes()]
    tables = [
        b"word,aliases\nbread,loaf|bun\nsilver,\n",
        b'concept,positive,negative\nbread,"a, b",c\nbread,d,e\nsilver,f,g\n',
    ]
    stimuli = [file.read_bytes() for file in sorted((shipped / "stimuli" / "default").glob("*.toml"))]
    own = json.dumps({"title": "t", "lists": {"paragraphs": ["One."]}}).encode()
    return {
        "plan": Read(home / "plan" / "plan.toml", plans, load_plan),
        "battery": Read(home / "battery.toml", batteries, load_battery),
        "study file": Read(home / "study.toml", studies, load_study),
        "concepts toml": Read(home / "concepts.toml", lists, load_concepts),
        "concepts csv": Read(home / "concepts.csv", tables, load_concepts),
        "stimuli toml": Read(home / "stimuli.toml", stimuli, load_stimuli),
        "stimuli json": Read(home / "stimuli.json", [own], load_stimuli),
    }


def _of_numbers(finished_run, home):
    from introspect.subjects.gguf import check_header, check_layout
    from introspect.subjects.weights import INDEX, checked_weights
    from introspect.vectors.control_vector import read_control_vector, write_control_vector
    from introspect.vectors.vector import load_vectors

    vectors = (finished_run / "vectors.safetensors").read_bytes()
    loaded = load_vectors(finished_run / "vectors.safetensors")
    write_control_vector(loaded, "bread", home / "bread.gguf")
    model, indexed = home / "model", home / "indexed"
    for folder in (model, indexed):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    (indexed / "a.safetensors").write_bytes(vectors)
    index = json.dumps({"metadata": {}, "weight_map": {"x": "a.safetensors", "y": "a.safetensors"}}).encode()

    def layout(file):
        from introspect.errors import SubjectError
        from introspect.vectors.gguf_file import DamageError

        check_header(file)
        try:
            check_layout(file)
        except DamageError as error:  # as the unpacking of a model says it
            raise SubjectError(str(error)) from error

    return {
        "vectors": Read(home / "vectors.safetensors", [vectors], load_vectors),
        "control vector": Read(home / "control.gguf", [(home / "bread.gguf").read_bytes()], read_control_vector),
        "gguf layout": Read(home / "model.gguf", [(home / "bread.gguf").read_bytes()], layout),
        "weights": Read(model / "model.safetensors", [vectors], lambda file: checked_weights(file.parent)),
        "index": Read(indexed / INDEX, [index], lambda file: checked_weights(file.parent)),
    }


def _of_grading(home):
    from introspect.analysis.calibration import calibrate, read_calibration, write_calibration
    from introspect.graders.labels import load_labels, read_replies
    from introspect.graders.rules import RuleGrader

    labels = load_labels("replies")
    claims = {each.id: RuleGrader().grade(each.reply) for each in labels.replies}
    write_calibration(home / "made.json", calibrate(labels, claims, "all", RuleGrader.name))
    some = b"\n".join(labels.path.read_bytes().splitlines()[:3]) + b"\n"
    return {
        "labels": Read(home / "labels.jsonl", [some], read_replies),
        "calibration": Read(home / "calibration.json", [(home / "made.json").read_bytes()], read_calibration),
    }


def _of_caches(home):
    import sqlite3
    from contextlib import closing

    from introspect.checksums import sealed
    from introspect.judges.cache import AnswerCache
    from introspect.judges.model import Answer
    from introspect.subjects import cache, sampled_texts

    answers = AnswerCache(home / "judges.sqlite")
    answers.put("k", Answer("NOTICED: yes", 1, 2))
    with closing(sqlite3.connect(answers.path)) as store:
        (kept,) = store.execute("SELECT answer FROM answers").fetchone()

    def asked(file):
        with closing(sqlite3.connect(answers.path)) as store, store:
            store.execute("UPDATE answers SET answer = ?", (file.read_bytes(),))
        return answers.get("k")

    entry = cache.build_once(home / "entries" / "one", lambda draft: (draft / "a").write_bytes(b"a"))
    head = {"subject": "f", "sampling": "s", "max_new_tokens": 3}
    said = sampled_texts.Conversation(index=0, question="Why?", reply="So.", n_tokens=4).model_dump_json().encode()
    texts = json.dumps(head).encode() + b"\n" + said + b"\n" + sealed(said) + b"\n"
    target = home / "hashed"
    target.write_bytes(b"weights")

    def remembered(file):
        assert cache.file_hash(target) == hashlib.sha256(b"weights").hexdigest()
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(home / "cache"))
        cache.file_hash(target)
        (known,) = (home / "cache" / "hashes").iterdir()
    return {
        "sampled texts": Read(home / "texts.jsonl", [texts], lambda file: sampled_texts.whole_lines(file, head)),
        "judges answer": Read(home / "answer", [str(kept).encode()], asked),
        "cache entry": Read(entry / cache.SUMS, [(entry / cache.SUMS).read_bytes()], lambda _: cache.is_sound(entry)),
        "remembered hash": Read(known, [known.read_bytes()], remembered),
    }


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("name", NAMES)
def test_a_reader_gives_a_value_or_one_of_our_errors(reads, name, monkeypatch):
    from introspect.errors import IntrospectError

    which = reads[name]
    which.file.parent.mkdir(exist_ok=True)
    monkeypatch.setenv("INTROSPECT_CACHE", str(which.file.parent.parent))
    fed, sentences = 0, []

    def feed(data):
        nonlocal fed
        which.file.write_bytes(data)
        fed += 1
        try:
            which.read(which.file)
        except IntrospectError as error:
            sentences.append(str(error))

    deadline, rounds = time.monotonic() + SECONDS / len(NAMES), 0
    while not rounds or time.monotonic() < deadline:
        few = settings(
            max_examples=MANY if SECONDS else FEW, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        seed(rounds)(few(given(data=broken(which.seeds))(feed)))()
        rounds += 1
    print(f"{name}: {fed} files, {len(sentences)} refused")  # noqa: T201 - the figures of make torture
    assert fed >= FEW
    assert all(sentence.strip() for sentence in sentences)
    which.file.write_bytes(which.seeds[0])
    which.read(which.file)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_bytes_of_no_kind_are_no_seal(data):
    from introspect.checksums import ChecksumError, sealed, unsealed

    with suppress(ChecksumError):
        assert unsealed(data) == data
    assert unsealed(sealed(b'{"a":"' + data.hex().encode() + b'"}')) == b'{"a":"' + data.hex().encode() + b'"}'
