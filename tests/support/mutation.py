"""Files broken in every way that files break: flipped, cut, spliced, filled with zeros, with values of other kinds."""

import json
import struct

from hypothesis import strategies as st

PIECES = [
    b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\n", b"\r", b"\n\n", b"{", b"}", b"[", b"]", b'"', b"'", b",", b":",
    b"=", b"[[x]]", b"null", b"true", b"-1", b"NaN", b"1e999", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b'"\\ud800"',
    b"\\", b"\xe2\x80\xa8", "\u202e".encode(), b"../../x", b"1979-05-27", b'"""', b"#", b"sae:x#1", b"\x1b[31m",
    *(struct.pack("<Q", n) for n in (0, 1, 2**31, 2**32, 2**63, 2**64 - 1)),
    *(struct.pack("<I", n) for n in (8, 9, 2**31)),
]  # fmt: skip
VALUES = [
    None,
    True,
    -1,
    0,
    2**70,
    1.5,
    "",
    "x",
    "../../x",
    "\ud800",
    [],
    [[]],
    {},
    {"a": 1},
    [None],
    ["x", "x"],
    "9" * 40,
]


@st.composite
def broken(draw, seeds):
    """Bytes made of one of the seeds by a few changes; now and then bytes of no file at all."""
    if draw(st.integers(0, 30)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(seeds))
    if draw(st.booleans()):
        data = draw(other_values(data))
    for _ in range(draw(st.integers(0, 4))):
        data = draw(changed(data))
    return data


@st.composite
def changed(draw, data):
    """One change of the bytes; near the beginning, where headers are, as often as anywhere else."""
    n = min(len(data), 200) if draw(st.booleans()) else len(data)
    at = draw(st.integers(0, n))
    way = draw(st.sampled_from(["flip", "cut", "insert", "overwrite", "remove", "double"]))
    if way == "flip":
        return data[:at] + bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in data[at : at + 1]) + data[at + 1 :]
    if way == "cut":
        return data[:at]
    if way in {"insert", "overwrite"}:
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=12))
        return data[:at] + piece + data[at + (len(piece) if way == "overwrite" else 0) :]
    length = draw(st.integers(1, 80))
    return data[:at] + (data[at : at + length] * 2 if way == "double" else b"") + data[at + length :]


@st.composite
def other_values(draw, data):
    """The same JSON, or one line of it, with a value of another kind somewhere; other bytes stay as they are."""
    lines = data.split(b"\n") if data.count(b"\n{") else [data]
    index = draw(st.integers(0, len(lines) - 1))
    try:
        content = json.loads(lines[index])
        places = list(_places(content))
    except (ValueError, RecursionError):
        return data
    if not places:
        return data
    holder, key = draw(st.sampled_from(places))
    if draw(st.booleans()):
        holder[key] = draw(st.sampled_from(VALUES))
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from(["x", "check", "", "format", key]))] = holder.pop(key)
    else:
        del holder[key]
    lines[index] = json.dumps(content, separators=(",", ":")).encode()
    return b"\n".join(lines)


def _places(value):
    """Every place in a JSON value: what holds it, and under which key."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(inner):
        yield value, key
        yield from _places(each)
