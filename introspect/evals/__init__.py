"""Inspect, on both sides: its logs made from our runs, and our trials run as its tasks.

Everything that knows the names of ``inspect_ai`` is in this package, which nothing else imports before it is asked for;
the library comes with the extra ``inspect``. ``logs`` writes runs as logs, ``provider`` is the engine as a model of
Inspect's, ``tasks`` are the tasks, ``registry`` is where Inspect finds both.
"""
