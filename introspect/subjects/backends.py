"""What carries a subject, by the name that a plan has for it; each library is imported only where it is asked for."""

from introspect.errors import PlanError
from introspect.records import Backend
from introspect.subjects.local import LocalSubject


def through(subject: LocalSubject, backend: Backend) -> LocalSubject:
    """Return the same subject as a backend runs it; weights are shared, and the subject stays as it is.

    Raises:
        PlanError: The subject is carried by another library already.
        SubjectError: The library cannot carry it.
    """
    if subject.backend == backend:
        return subject
    if subject.backend != "hf":
        message = f"{subject.identity.name} is run by {subject.backend} here, and the plan says backend = {backend!r}"
        raise PlanError(message)
    if backend == "transformer_lens":
        from introspect.subjects.lens import LensSubject

        return LensSubject(subject)
    from introspect.subjects.trace import TraceSubject

    return TraceSubject(subject)
