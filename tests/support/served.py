"""A small subject behind a real server of the live laboratory, in a thread of its own."""

import functools
import json
import threading
from contextlib import contextmanager

import lab

CONCEPTS = lab.FEW
N_NEW = 12


def plan(**changes):
    """The plan of a live run on the small subject; ``changes`` are to its fields."""
    from introspect.records import Plan

    fields = {
        "name": "lab", "subject": str(lab.folder()), "device": "cpu", "dtype": "float32", "concepts": CONCEPTS,
        "max_new_tokens": N_NEW,
    }  # fmt: skip
    return Plan(**(fields | changes))


@functools.cache
def vectors():
    """The vectors of the few concepts, read once."""
    from introspect.lab.serve import open_session

    return open_session(plan(), lab.folder() / "nowhere", lab.subject()).vectors


def session(**changes):
    """A session of its own, on the subject that all share."""
    from introspect.lab.session import Session
    from introspect.stimuli import load_stimuli

    return Session(plan(**changes), lab.subject(), load_stimuli(), vectors())


@contextmanager
def serving(path, **changes):
    """Serve a session; lend the server, which has ended behind the block."""
    from introspect.lab.serve import Served

    served, ready = Served(session(**changes), path), threading.Event()
    thread = threading.Thread(target=served.run, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(20), "the server did not start"
        yield served
    finally:
        served.stop()
        thread.join(20)
        assert not thread.is_alive()


def events(response):
    """The events of an answer that is streamed."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
