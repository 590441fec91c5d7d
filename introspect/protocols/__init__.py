"""Experiments, one module each: a trial's specification in, a request for the engine and a finished trial out."""
