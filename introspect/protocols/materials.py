"""What every protocol draws on to turn a specification into a request: the subject, the wordings, the vectors."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from introspect.errors import IntrospectError
from introspect.records import Trial, TrialSpec
from introspect.stimuli import Wording
from introspect.subjects.chat import Encoded
from introspect.subjects.subject import Reply, Subject
from introspect.vectors.controls import random_matched
from introspect.vectors.vector import ConceptVector, VectorSet


@dataclass(frozen=True, slots=True, eq=False)
class Materials:
    """Everything a specification points into by name. Each wording is tokenised once."""

    subject: Subject
    wordings: Mapping[str, Wording]
    vectors: VectorSet
    _encoded: dict[str, Encoded] = field(default_factory=dict)

    def prompt(self, wording: str) -> Encoded:
        """Return a wording in tokens."""
        if wording not in self._encoded:
            self._encoded[wording] = self.subject.chat.encode(self.wordings[wording].turns)
        return self._encoded[wording]

    def vector(self, spec: TrialSpec) -> ConceptVector | None:
        """Return what the specification injects, at its strength; nothing in the arm without injection."""
        if spec.vector is None or spec.layer is None or spec.strength is None:
            return None
        vector = self.vectors.vector(spec.vector.concept, spec.layer)
        if spec.vector.family == "random":
            vector = random_matched(vector, spec.vector.draw)
        return vector * spec.strength


def finished(spec: TrialSpec, reply: Reply) -> Trial:
    """Put a reply on record.

    Raises:
        IntrospectError: The reply comes from an injection where none was specified, or the other way round.
    """
    if (spec.vector is None) != (not reply.audits):
        message = f"the trial {spec.key} was not run as specified: {len(reply.audits)} injections, arm {spec.arm}"
        raise IntrospectError(message)
    return Trial(
        key=spec.key,
        spec=spec,
        prompt=reply.request.prompt.record().id,
        reply=reply.text,
        reply_tokens=reply.tokens,
        finish=reply.finish,
        audit=reply.audit,
    )
