"""What all records share: the words they use, how they are hashed, and names that become folders."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

SCHEMA_VERSION = 3

Family = Literal["concept", "random", "covariance", "shuffled", "negated", "other", "swap", "amplify"]
Info = Literal["none", "accurate", "neutral"]
Match = Literal["norm", "effect"]
Where = Literal["prompt", "generated", "both", "cache"]
Edit = Literal["add", "amplify", "swap"]
Method = Literal["word", "pair_mean", "pair_pca"]
Reading = Literal["yes", "no", "unreadable"]
Backend = Literal["hf", "transformer_lens", "nnsight"]

Side = Literal["development", "report"]
SALT = "introspect-1"
"""Of the split that the project uses; another one is named in every output."""


def canonical_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Serialise to the one spelling that hashes are taken of: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Hash a JSON value to 32 hexadecimal digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


LONGEST_NAME = 200
"""Bytes of a name that becomes that of a folder, with room for what is put behind it."""


def _plain(name: str) -> str:
    """Refuse a name that would be a path, or that no folder can have."""
    if name in {"", ".", ".."} or not name.isprintable() or set(name) & set("/\\"):
        message = f"{name!r} cannot be the name of a folder; leave out slashes and control characters"
        raise ValueError(message)
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        message = f"a name of {len(name)} characters is too long for a folder; {LONGEST_NAME} bytes are the most"
        raise ValueError(message)
    return name


FolderName = Annotated[str, AfterValidator(_plain)]
"""A name under which something is put into a folder, and that cannot lead out of it."""


_Own = TypeVar("_Own", bound="Record")


class Record(BaseModel):
    """Base of everything that crosses a file boundary.

    Frozen, so that what is derived from the fields may be kept with ``functools.cached_property``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def model_copy(self: _Own, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> _Own:
        """Return a copy with these fields instead, and without what was derived from the old ones."""
        copied = super().model_copy(update=update, deep=deep)
        derived = copied.__dict__.keys() - type(copied).model_fields.keys()
        for name in derived:
            object.__delattr__(copied, name)
        return copied
