"""What judges have answered, on disk: the same judge, rubric and reply are never paid for twice.

The key hashes the judge's identity, the rubric's version and the whole prompt; the store is one SQLite file, so that a
killed process loses nothing and several processes may share it. An answer carries its checksum; one that is damaged is
asked for again. The file may be deleted at any time.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from introspect.checksums import sealed, unsealed
from introspect.errors import JudgeError
from introspect.graders.rubric import VERSION
from introspect.judges.model import Answer
from introspect.records import digest
from introspect.subjects.cache import cache_folder

FILE = "judges.sqlite"
WAIT = 30.0
"""Seconds to wait for another process that is writing."""


class AnswerCache:
    """Answers by key.

    Raises:
        JudgeError: The file cannot be opened or is damaged.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / FILE
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as store, store:
                store.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def key(self, identity: str, prompt: str) -> str:
        """Return the key of a judge's answer to a prompt."""
        return digest([identity, VERSION, prompt])

    def get(self, key: str) -> Answer | None:
        """Return an answer, if there is a sound one."""
        try:
            with closing(self._connect()) as store:
                row = store.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return _read(row[0]) if row else None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; a killed process does not lose it, a power cut may."""
        content = {"answer": [answer.text, answer.tokens_in, answer.tokens_out]}
        text = sealed(json.dumps(content).encode()).decode()
        try:
            with closing(self._connect()) as store, store:
                store.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, text))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _connect(self) -> sqlite3.Connection:
        store = sqlite3.connect(self.path, timeout=WAIT)
        store.execute("PRAGMA synchronous = OFF")  # waiting for the disk would take longer than many an answer
        return store

    def _unusable(self, error: Exception) -> JudgeError:
        return JudgeError(f"the cache of judges' answers {self.path} cannot be used ({error}); delete it or free space")


def _read(stored: object) -> Answer | None:
    """Return what was kept, or none where it is damaged; the first form was the list alone."""
    try:
        content = json.loads(unsealed(str(stored).encode()))
        text, tokens_in, tokens_out = content["answer"] if isinstance(content, dict) else content
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    counts = all(each is None or isinstance(each, int) for each in (tokens_in, tokens_out))
    return Answer(text, tokens_in, tokens_out) if isinstance(text, str) and counts else None
