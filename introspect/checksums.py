"""Checksums that travel inside the JSON they protect.

A sealed object has one more key, its last: ``"check"``, a hash of the bytes before it. A line of a JSONL file so
carries its own checksum: it is appended in one piece, needs no second file that a kill could leave behind, stays JSON
for every other reader, and a line without one, as older runs have, is read as it stands. A list of hashes beside the
file would be written after it, and for a moment the two would disagree.
"""

import hashlib
import re

SEAL = re.compile(rb',\s*"check":\s*"([0-9a-f]{16})"\s*\}\s*\Z')
LONGEST = 80
"""Bytes from the end within which a seal begins."""


class ChecksumError(ValueError):
    """Bytes that are not those that were sealed."""

    def __str__(self) -> str:
        return "its checksum does not fit, so a byte of it has changed since it was written"


def checksum(data: bytes) -> str:
    """Hash bytes to 16 hexadecimal digits: enough against damage, none against malice."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def sealed(data: bytes) -> bytes:
    """Return a JSON object, not an empty one, with its checksum as the last key."""
    head = data.rstrip().removesuffix(b"}").rstrip()
    return head + b',"check":"' + checksum(head).encode() + b'"}'


def unsealed(data: bytes) -> bytes:
    """Return the JSON object without its checksum, or as it is where it has none.

    Raises:
        ChecksumError: It has one, and another content.
    """
    found = SEAL.search(data, max(0, len(data) - LONGEST))
    if found is None:
        return data
    head = data[: found.start()]
    if checksum(head) != found[1].decode():
        raise ChecksumError
    return head + b"}"
