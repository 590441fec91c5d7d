"""Run folders made by hand, for tests of what comes after a run."""

from introspect.records import SCHEMA_VERSION, Manifest, Plan, Prompt, SubjectIdentity, Trial, TrialSpec, VectorRef
from introspect.sweeps.folder import RunFolder

SUBJECT = SubjectIdentity(name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=4, d_model=8)


def write_run(path, trials, plan, concepts, n_planned=0, prompts=()):
    manifest = Manifest(
        schema_version=SCHEMA_VERSION, introspect_version="0.1.0", created="2026-01-01T00:00:00+00:00", plan=plan,
        subject=SUBJECT, n_planned=n_planned or len(trials), vectors_hash="v", wordings={"plain": "w"},
        concepts=concepts, machine={}, packages={},
    )  # fmt: skip
    with RunFolder(path) as folder:
        folder.adopt(manifest)
        folder.append(trials, prompts)
    return path


def replies_run(path, replies, concepts):
    """Write a run of injected thoughts whose replies are given by arm; the concepts take turns in each."""
    trials = []
    for arm, said in replies.items():
        for i, reply in enumerate(said):
            concept = None if arm == "none" else list(concepts)[i % len(concepts)]
            vector = concept and VectorRef(family="concept" if arm == "concept" else "random", concept=concept)
            spec = TrialSpec(
                protocol="injected_thought", subject="f" * 32, dtype="float32", arm=arm, task="report", wording="plain",
                wording_hash="w", vector=vector, vectors_hash="v", layer=1 if vector else None, concept=concept,
                strength=2.0 if vector else None, span="trial", where="both", sample=i, max_new_tokens=60,
                temperature=1.0,
            )  # fmt: skip
            trials.append(Trial(key=spec.key, spec=spec, prompt=f"p{i % 7}", reply=reply, finish="stop", audits=()))
    plan = Plan(name="p", layers=(1,), strengths=(2.0,), seed=0)
    prompts = [Prompt(id=f"p{i}", text="Trial 1", format="chat", offsets=((0, 5), (5, 7))) for i in range(7)]
    return write_run(path, trials, plan, concepts, prompts=prompts)
