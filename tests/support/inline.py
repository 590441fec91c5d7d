"""A pool whose workers are in this process and take turns, so that a test says who is lost and when."""

from collections.abc import Callable


class InlinePool:
    """Real workers on real folders, without processes; ``loses(shard number, message number)`` says who is lost."""

    def __init__(self, job, out, loses: Callable[[int, int], bool] = lambda worker, message: False, room: bool = True):
        self.job, self.out, self.loses, self.has_room = job, out, loses, room
        self.workers, self.streams, self.heard, self.calls = {}, {}, {}, []

    def start(self, shard):
        from introspect.sweeps.worker import Worker

        self.workers[shard] = Worker(self.job, str(self.out), shard)
        self.heard[shard] = 0
        self.send(shard, "begin")

    def send(self, shard, method, *arguments):
        assert shard not in self.streams, "a worker has one call at a time"
        self.calls.append((list(self.heard).index(shard), method, arguments))
        self.streams[shard] = getattr(self.workers[shard], method)(*arguments)

    def wait(self, seconds):
        from introspect.sweeps.pool import Failed, Gone

        for shard, stream in list(self.streams.items()):
            number = list(self.heard).index(shard)
            self.heard[shard] += 1
            if self.loses(number, self.heard[shard]):
                self.end(shard)
                yield shard, Gone("killed by the test")
                continue
            try:
                message = next(stream)
            except StopIteration:
                del self.streams[shard]
                continue
            except Exception as error:  # noqa: BLE001 - carried over, as between processes
                message = Failed(error)
            if type(message).__name__ in {"Begun", "Ready", "Finished"}:
                del self.streams[shard]  # the last message of a call
            yield shard, message

    def room(self):
        return self.has_room

    def end(self, shard):
        self.streams.pop(shard, None)
        folder = self.workers.pop(shard)._folder
        if folder is not None:
            folder.__exit__(None, None, None)
