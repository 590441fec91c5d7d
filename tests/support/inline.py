"""A pool whose workers are in this process, so that a test says who is lost and when."""

from collections import deque
from collections.abc import Callable


class InlinePool:
    """Real workers on real folders, without processes; ``loses(worker number, message number)`` says who is lost.

    A call is run when it is made, since two engines in one thread cannot take turns; messages are handed over one a
    worker at a time. Of a worker that is lost, what it had written by then is on the disk.
    """

    def __init__(self, job, out, subject=None, loses: Callable[[int, int], bool] = lambda worker, message: False):
        self.job, self.out, self.subject, self.loses = job, out, subject, loses
        self.has_room = True
        self.workers, self.messages, self.heard, self.calls = {}, {}, {}, []

    def start(self, shard):
        from introspect.sweeps.worker import Worker

        self.workers[shard] = Worker(self.job, str(self.out), shard, subject=self.subject)
        self.heard[shard] = 0
        self.send(shard, "begin")

    def send(self, shard, method, *arguments):
        from introspect.sweeps.pool import Failed, Gone

        assert not self.messages.get(shard), "a worker has one call at a time"
        number = list(self.heard).index(shard)
        self.calls.append((number, method, arguments))
        self.messages[shard] = messages = deque()
        try:
            for message in getattr(self.workers[shard], method)(*arguments):
                self.heard[shard] += 1
                if self.loses(number, self.heard[shard]):
                    self.end(shard)
                    messages.append(Gone("killed by the test"))
                    break
                messages.append(message)
        except Exception as error:  # noqa: BLE001 - carried over, as between processes
            messages.append(Failed(error))

    def wait(self, seconds):
        for shard in [shard for shard, messages in self.messages.items() if messages]:
            yield shard, self.messages[shard].popleft()

    def room(self):
        return self.has_room

    def end(self, shard):
        worker = self.workers.pop(shard, None)
        if worker is not None and worker._folder is not None:
            worker._folder.__exit__(None, None, None)
