"""Inspect, on all sides: its logs made from our runs, our trials run as its tasks, and its models as judges of ours.

Everything that knows the names of ``inspect_ai`` is in this package, which nothing else imports before it is asked for;
the library comes with the extra ``inspect``. ``logs`` writes runs as logs, ``provider`` is the engine as a model of
Inspect's, ``tasks`` are the tasks, ``registry`` is where Inspect finds both, ``hosted`` opens a judge by its name.
"""
