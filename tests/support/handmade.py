"""Run folders made by hand, for tests of what comes after a run."""

from introspect.records import SCHEMA_VERSION, Manifest, SubjectIdentity
from introspect.sweeps.folder import RunFolder

SUBJECT = SubjectIdentity(name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=4, d_model=8)


def write_run(path, trials, plan, concepts, n_planned=0):
    manifest = Manifest(
        schema_version=SCHEMA_VERSION, introspect_version="0.1.0", created="2026-01-01T00:00:00+00:00", plan=plan,
        subject=SUBJECT, n_planned=n_planned or len(trials), vectors_hash="v", wordings={"plain": "w"},
        concepts=concepts, machine={}, packages={},
    )  # fmt: skip
    with RunFolder(path) as folder:
        folder.adopt(manifest)
        folder.append(trials)
    return path
