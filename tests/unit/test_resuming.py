"""Whatever a killed process left of a run, going on gives every trial once, and the plan decides which those are."""

import tempfile
from collections import Counter
from pathlib import Path

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from introspect.records import RUNTIME_FIELDS, SCHEMA_VERSION, Manifest, Plan, SubjectIdentity, Trial, TrialSpec
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.plans import load_plan
from introspect.sweeps.reading import TRIALS, read_trials
from introspect.sweeps.run import blocks

SUBJECT = SubjectIdentity(name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=4, d_model=8)
PLAN = Plan(name="p", layers=(1,), strengths=(2.0,))
N = 12
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spec(sample):
    return TrialSpec(
        protocol="injected_thought", subject="f" * 32, dtype="float32", arm="none", task="report", wording="plain",
        wording_hash="w", vector=None, vectors_hash="v", layer=None, strength=None, span="trial", where="both",
        sample=sample, max_new_tokens=60, temperature=1.0,
    )  # fmt: skip


def trial(sample):
    return Trial(
        key=spec(sample).key, spec=spec(sample), prompt="p", reply=f"{sample} \u2028 é", finish="stop", audits=()
    )


MANIFEST = Manifest(
    schema_version=SCHEMA_VERSION, introspect_version="0", created="2026-01-01", plan=PLAN, subject=SUBJECT,
    n_planned=N, vectors_hash="v", wordings={}, concepts={}, machine={}, packages={},
)  # fmt: skip
TRIALS_OF_PLAN = [trial(sample) for sample in range(N)]
LEFT = st.lists(st.integers(0, N - 1), max_size=2 * N)
HARM = st.lists(st.tuples(st.sampled_from(["flip", "remove", "rubbish"]), st.floats(0, 1)), max_size=4)


@given(LEFT, HARM, st.integers(0, 300), st.booleans())
@SLOW
def test_going_on_gives_every_trial_once_whatever_was_left(left, harm, n_torn, manifest_lost):
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "run"
        with RunFolder(path) as folder:
            folder.adopt(MANIFEST)
            folder.append([TRIALS_OF_PLAN[index] for index in left])
        file = path / TRIALS
        sound = broken(file, harm, n_torn)
        if manifest_lost:
            (path / "manifest.json").unlink()
        with RunFolder(path) as folder:
            if sound or not manifest_lost:
                folder.adopt(MANIFEST, [each.spec for each in TRIALS_OF_PLAN])
            there = folder.recover()
            assert set(there) == sound
            done = set(there)
            folder.append([each for each in TRIALS_OF_PLAN if each.key not in done])
        found = read_trials(path)
        assert Counter(each.key for each in found) == Counter(each.key for each in TRIALS_OF_PLAN)
        assert {each.key: each for each in found} == {each.key: each for each in TRIALS_OF_PLAN}


def broken(file, harm, n_torn):
    """Harm whole lines, leave a torn one behind, and return the keys of those that are sound."""
    lines = file.read_bytes().splitlines()
    good = set(lines)
    for way, where in harm:
        at = min(int(where * len(lines)), len(lines) - 1)
        if way == "rubbish":
            lines.insert(max(at, 0), b"\x00\xffrubbish")
        elif lines and way == "remove":
            del lines[at]
        elif lines:
            middle = len(lines[at]) // 2
            lines[at] = lines[at][:middle] + bytes([lines[at][middle] ^ 1]) + lines[at][middle + 1 :]
    torn = TRIALS_OF_PLAN[0].model_dump_json().encode()[:n_torn]
    file.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    return {Trial.model_validate_json(line[: line.rindex(b',"check"')] + b"}").key for line in lines if line in good}


SPECS = [spec(sample) for sample in range(300)]


@given(st.integers(0, 150), st.integers(1, 70), st.integers(0, 150))
def test_blocks_hold_every_trial_once_in_order_and_a_part_of_a_plan_is_cut_where_the_whole_is(n, width, more):
    cut, longer = blocks(n, n + more, width), blocks(n + more, n + more, width)
    assert [each for block in cut for each in block] == list(range(n))
    assert all(len(block) for block in cut)
    assert not cut or longer[: len(cut) - 1] == cut[:-1]


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/\\"), min_size=1, max_size=20
)
PLANS = st.fixed_dictionaries(
    {
        "name": NAMES.filter(lambda name: name not in {".", ".."}),
        "layers": st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True),
        "strengths": st.lists(st.floats(0, 1e6), min_size=1, max_size=4, unique=True),
        "concepts": st.lists(NAMES, min_size=1, max_size=4, unique=True),
        "samples": st.integers(1, 50),
        "seed": st.integers(0, 2**62),
        "temperature": st.floats(0, 5),
    },
    optional={
        "question": st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40),
        "batch_size": st.integers(1, 512),
        "device": st.sampled_from(["cpu", "cuda"]),
        "where": st.sampled_from(["prompt", "generated", "both", "cache"]),
        "info": st.lists(st.sampled_from(["none", "accurate", "neutral"]), min_size=1, max_size=3, unique=True),
        "backend": st.sampled_from(["hf", "nnsight", "transformer_lens"]),
    },
)


@given(PLANS)
@SLOW
def test_a_plan_reads_back_from_its_file_as_it_is(content):
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "plan.toml"
        file.write_bytes(tomli_w.dumps(content).encode())
        loaded = load_plan(file)
    assert loaded == Plan.model_validate(content)
    assert Plan.model_validate_json(loaded.model_dump_json()) == loaded


@given(PLANS, st.sampled_from(["cpu", "cuda", "auto"]), st.integers(1, 99))
def test_where_a_plan_runs_does_not_decide_which_run_it_is(content, device, batch_size):
    plan = Plan.model_validate(content)
    moved = plan.model_copy(update={"device": device, "batch_size": batch_size})
    assert moved.identity() == plan.identity()
    assert not RUNTIME_FIELDS & set(plan.identity())
    other = plan.model_copy(update={"seed": plan.seed + 1})
    assert other.identity() != plan.identity()
