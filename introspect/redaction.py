"""Keys stay out of whatever is written: records, logs, sentences.

What counts as a key is the value of an environment variable whose name says so, and the user part of a URL. A server
that is shown a key may well show it back in its error; so every text of a server goes through here.
"""

import os
import re

NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
SHORTEST = 8
"""Characters from which a value is a key; shorter ones would take words out of ordinary sentences."""
IN_URL = re.compile(r"(?<=://)[^/\s@]+@")
SIGN = "[key]"


def redacted(text: str, *also: str | None) -> str:
    """Return a text without the keys of the environment, without those given, and without the user part of URLs."""
    for key in sorted({*_keys(), *(each for each in also if each)}, key=len, reverse=True):
        text = text.replace(key, SIGN)
    return IN_URL.sub(f"{SIGN}@", text)


def _keys() -> list[str]:
    return [value for name, value in os.environ.items() if NAMES.search(name) and len(value) >= SHORTEST]
