"""A small subject behind a real server of the live laboratory, in a thread of its own."""

import functools
import json
import threading
from contextlib import contextmanager

import lab

CONCEPTS = lab.FEW
N_NEW = 12
SETTINGS = {"device": "cpu", "dtype": "float32", "concepts": CONCEPTS, "max_new_tokens": N_NEW}


def plan(**changes):
    """The plan of a live run on the small subject; ``changes`` are to its fields."""
    from introspect.records import Plan

    fields = {"name": "lab", "subject": str(lab.folder()), "strengths": (4.0,), **SETTINGS}
    return Plan(**(fields | changes))


def rooms(path, *others, keep=2, **changes):
    """The small subject, which is loaded already, and others on offer that are not."""
    from introspect.lab.choices import Choice, choices
    from introspect.lab.rooms import Rooms

    first, *more = choices([str(lab.folder()), *others], path, SETTINGS | changes)
    return Rooms([Choice(first.name, first.plan, first.path, lab.subject()), *more], keep)


@functools.cache
def vectors():
    """The vectors of the few concepts, read once."""
    return rooms(lab.folder() / "nowhere").open().vectors


def session(**changes):
    """A session of its own, on the subject that all share."""
    from introspect.lab.session import Session
    from introspect.stimuli import load_stimuli

    return Session(plan(**changes), lab.subject(), load_stimuli(), vectors())


@contextmanager
def serving(path, *others, keep=2, **changes):
    """Serve the small subject, and others on offer; lend the server, which has ended behind the block."""
    from introspect.lab.serve import Served

    offered = rooms(path, *others, keep=keep, **changes)
    offered._vectors = {offered.names[0]: vectors()}
    offered.open()
    served, ready = Served(offered), threading.Event()
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
