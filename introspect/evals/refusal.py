"""Our error sentences, told by Inspect's command line as sentences and not as tracebacks."""

from collections.abc import Iterator
from contextlib import contextmanager

from inspect_ai._util.error import PrerequisiteError  # the one class whose message is printed without a traceback
from rich.markup import escape

from introspect.errors import IntrospectError


class RefusalError(IntrospectError, PrerequisiteError):
    """What a task or a model cannot be made of; the cause is the error itself."""

    def __init__(self, sentence: str) -> None:
        Exception.__init__(self, sentence)
        self.message = escape(sentence)


@contextmanager
def plainly() -> Iterator[None]:
    """Turn an error of ours inside the block into one that Inspect prints as a sentence.

    Raises:
        RefusalError: In the place of any ``IntrospectError``.
    """
    try:
        yield
    except IntrospectError as error:
        raise RefusalError(str(error)) from error
