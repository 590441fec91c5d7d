"""Stopping on request: what is under way is finished, nothing new begins, and a second request ends at once."""

import os
import signal
from threading import Thread

import pytest
import tiny

from introspect.stopping import INTERRUPTED, TERMINATED, finishing, requested, terminable
from introspect.subjects.local import LocalSubject

ENDS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}


def requests(subject, n):
    return [tiny.request(subject, tiny.MARKED[i % 3], seed=i, temperature=1.0) for i in range(n)]


@pytest.mark.parametrize("way", ["auto", "full prefill"])
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_rows_under_way_are_finished_as_ever_and_no_other_begins(llama, number, way, capfd):
    subject = LocalSubject(llama.model, llama.chat, llama.identity, way)
    asked = requests(subject, 12)
    whole = {index: reply.tokens for index, reply in subject.stream(asked, 4)}
    assert len(whole) == 12
    stopped = {}

    def run():
        with finishing():
            for index, reply in subject.stream(asked, 4):
                stopped[index] = reply.tokens
                if len(stopped) == 1:
                    os.kill(os.getpid(), number)
                    assert requested()

    with pytest.raises(ENDS[number]):
        run()
    assert len(stopped) == 4, "those of the first four rows, and none of the eight that waited"
    assert stopped.items() <= whole.items()
    assert capfd.readouterr().err.count("stopping once the trials under way are finished") == 1
    assert not requested()
    assert len(list(subject.stream(asked, 4))) == 12


def test_a_second_request_ends_at_once_and_the_handlers_are_given_back():
    before = [signal.getsignal(number) for number in ENDS]
    reached = []

    def run():
        with finishing():
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append("after the first")
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("after the second")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == ["after the first"]
    assert [signal.getsignal(number) for number in ENDS] == before
    assert not requested()


def test_sigterm_unwinds_what_cannot_be_finished(tmp_path):
    def run():
        with terminable():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                (tmp_path / "tidied").touch()

    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == TERMINATED == 143
    assert INTERRUPTED == 130
    assert (tmp_path / "tidied").exists()


def test_off_the_main_thread_nothing_changes():
    seen = []

    def work():
        with finishing(), terminable():
            seen.append([signal.getsignal(number) for number in ENDS])

    thread = Thread(target=work)
    before = [signal.getsignal(number) for number in ENDS]
    thread.start()
    thread.join()
    assert seen == [before]
