"""What is on disk: plans, trials, audits, claims, manifests.

All records are frozen and refuse unknown fields. A trial is data: ``TrialSpec`` holds everything needed to run one
trial again, its key is a hash of it and its seed a function of the key, so that order, batching and resuming cannot
change a result. Nothing here imports torch.
"""

from introspect.records.base import (
    LONGEST_NAME,
    SALT,
    SCHEMA_VERSION,
    Backend,
    Edit,
    Family,
    FolderName,
    Info,
    Match,
    Method,
    Reading,
    Record,
    Side,
    Where,
    canonical_json,
    digest,
)
from introspect.records.claim import Claim, Evidence
from introspect.records.manifest import Manifest
from introspect.records.measured import TOLERANCE, Effect, Effects, Projection, Scales
from introspect.records.plan import RUNTIME_FIELDS, Plan
from introspect.records.study import Candidate, Reader, ReaderKind, Readers, Rules, Study
from introspect.records.trial import CLEAN, Also, Audit, Prompt, Scores, SubjectIdentity, Trial, TrialSpec, VectorRef

__all__ = [
    "CLEAN",
    "LONGEST_NAME",
    "RUNTIME_FIELDS",
    "SALT",
    "SCHEMA_VERSION",
    "TOLERANCE",
    "Also",
    "Audit",
    "Backend",
    "Candidate",
    "Claim",
    "Edit",
    "Effect",
    "Effects",
    "Evidence",
    "Family",
    "FolderName",
    "Info",
    "Manifest",
    "Match",
    "Method",
    "Plan",
    "Projection",
    "Prompt",
    "Reader",
    "ReaderKind",
    "Readers",
    "Reading",
    "Record",
    "Rules",
    "Scales",
    "Scores",
    "Side",
    "Study",
    "SubjectIdentity",
    "Trial",
    "TrialSpec",
    "VectorRef",
    "Where",
    "canonical_json",
    "digest",
]
