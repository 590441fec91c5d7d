"""Wordings as data: conversations in which ``{{name}}`` marks where a span begins and ``{{/name}}`` where it ends.

A mark without an end runs to the end of the prompt. Marks are cut out before the text is sent. The lab ships its own
wordings; published ones are read from a stimulus file of the user's, TOML or JSON, in the same form.
"""

import json
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from introspect.errors import StimulusError, UnknownNameError
from introspect.records import Record, digest

SHIPPED = resources.files("introspect") / "data" / "stimuli"
MARK = re.compile(r"\{\{(/?)([a-z][a-z0-9_]*)\}\}")


class Turn(Record):
    """One turn of a conversation, marks included."""

    role: Literal["system", "user", "assistant"]
    text: str


class Wording(Record):
    """One conversation up to the subject's reply.

    A last turn by the assistant is a prefill: the reply continues it.
    """

    protocol: str
    turns: tuple[Turn, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _marks_pair_up(self) -> "Wording":
        seen: set[tuple[str, str]] = set()
        for slash, name in MARK.findall("".join(turn.text for turn in self.turns)):
            if (slash, name) in seen or (slash and ("", name) not in seen):
                message = f"the mark {{{{{slash}{name}}}}} stands twice or ends before it begins"
                raise ValueError(message)
            seen.add((slash, name))
        return self

    @property
    def marks(self) -> tuple[str, ...]:
        """Names of the spans marked in the text, in order."""
        return tuple(name for slash, name in MARK.findall("".join(turn.text for turn in self.turns)) if not slash)

    @property
    def digest(self) -> str:
        """Hash of roles, texts and marks."""
        return digest([[turn.role, turn.text] for turn in self.turns])

    def require_mark(self, name: str, wording: str) -> None:
        """Raise ``StimulusError`` with the marks there are, unless ``name`` is one of them."""
        if name not in self.marks:
            raise UnknownNameError(f"span marker in the wording {wording!r}", name, self.marks)


class Stimuli(Record):
    """A stimulus file: the extraction prompt, with ``{word}`` where the word goes, and the wordings by name."""

    title: str = ""
    source: str = ""
    extract: str = "Please tell me something about {word}"
    wording: dict[str, Wording] = Field(default_factory=dict)

    @field_validator("extract")
    @classmethod
    def _has_a_place(cls, extract: str) -> str:
        if "{word}" not in extract:
            message = f"the extraction prompt {extract!r} has no {{word}} in it"
            raise ValueError(message)
        return extract

    def extraction_prompt(self, word: str) -> str:
        """Put a word into the extraction prompt."""
        return self.extract.replace("{word}", word)

    def choose(self, names: tuple[str, ...], protocol: str) -> dict[str, Wording]:
        """Return the named wordings of a protocol, or all of them where no name is given."""
        fitting = {name: wording for name, wording in self.wording.items() if wording.protocol == protocol}
        for name in names:
            if name not in fitting:
                raise UnknownNameError(f"wording for {protocol}", name, fitting)
        chosen = {name: fitting[name] for name in names} if names else fitting
        if not chosen:
            message = f"the stimulus file {self.title or 'given'!r} has no wording for the protocol {protocol!r}"
            raise StimulusError(message)
        return chosen


def load_stimuli(source: str | Path = "default", folder: Path | None = None) -> Stimuli:
    """Read the shipped stimuli by name (``default``) or the user's TOML or JSON file.

    Raises:
        StimulusError: No such file, or its content does not fit; the sentence names the entry.
    """
    if str(source) == "default":
        return _parse((SHIPPED / "default.toml").read_text("utf-8"), "default", ".toml")
    path = (folder or Path()) / source
    if not path.is_file():
        message = f"there is no stimulus file {path} (the shipped one is called default)"
        raise StimulusError(message)
    try:
        return _parse(path.read_text("utf-8-sig"), str(path), path.suffix)
    except (OSError, UnicodeDecodeError) as error:
        message = f"the stimulus file {path} cannot be read as UTF-8 text: {error}"
        raise StimulusError(message) from error


def _parse(text: str, name: str, suffix: str) -> Stimuli:
    try:
        content = json.loads(text) if suffix == ".json" else tomllib.loads(text)
        return Stimuli.model_validate({"title": name, **content})
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        message = f"the stimulus file {name} is not {suffix.removeprefix('.').upper() or 'TOML'}: {error}"
        raise StimulusError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        message = f"the stimulus file {name} has a wrong entry at {where}: {first['msg']}"
        raise StimulusError(message) from error
