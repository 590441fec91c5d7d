"""What a run folder is."""

from pydantic import Field

from introspect.records.base import Record
from introspect.records.plan import Plan
from introspect.records.trial import SubjectIdentity


class Manifest(Record):
    """What a run folder is: the plan, the subject, hashes of everything the trials depend on, and the machine.

    ``frequency`` is the concepts' Zipf frequency where it is known. ``engine`` says how the subject was run (a shared
    prefix or not, and why not) and how many rows at a time.
    """

    schema_version: int
    introspect_version: str
    created: str
    plan: Plan
    subject: SubjectIdentity
    n_planned: int
    vectors_hash: str
    wordings: dict[str, str]
    concepts: dict[str, tuple[str, ...]]
    frequency: dict[str, float] = Field(default_factory=dict)
    machine: dict[str, str]
    packages: dict[str, str]
    engine: dict[str, str] = Field(default_factory=dict)
