"""What a command says of bad input."""


def is_one_sentence(finished, *parts):
    assert finished.code == 2, finished
    assert "Traceback" not in finished.err
    assert len(finished.err.strip().splitlines()) == 1, finished.err
    assert all(part in finished.err for part in parts), finished.err
    return True
