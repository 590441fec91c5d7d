"""In what two runs differ, in words."""

from collections.abc import Iterable

from introspect.records import Manifest


def differences(old: Manifest, new: Manifest) -> Iterable[str]:
    """Say one after the other in what a run that is to go on is not the one that was begun."""
    if old.schema_version != new.schema_version:
        yield f"its format is version {old.schema_version}, this one writes version {new.schema_version}"
    before, after = old.plan.identity(), new.plan.identity()
    for key in before | after:
        was, now = (plan.get(key, getattr(manifest.plan, key)) for plan, manifest in ((before, old), (after, new)))
        if was != now:
            yield f"{key} was {was!r}, is now {now!r}"
    if old.subject.fingerprint != new.subject.fingerprint or old.subject.dtype != new.subject.dtype:
        yield (
            f"the subject was {old.subject.fingerprint[:12]} in {old.subject.dtype}, is now "
            f"{new.subject.fingerprint[:12]} in {new.subject.dtype}"
        )
    for name in ("wordings", "concepts", "vectors_hash"):
        if getattr(old, name) != getattr(new, name):
            yield f"the {name.replace('_', ' ')} are not the same (a list or stimulus file was edited)"
