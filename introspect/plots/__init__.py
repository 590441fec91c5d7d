"""Figures: one function a figure, tidy frame in, plotly figure out.

Every figure lives in the module of its name; ``run`` picks those of a run, ``write`` puts figures on disk with their
provenance. No function here opens a run or fits anything: rates, means and intervals arrive computed or come out of
``introspect.analysis``. A frame that lacks an arm gives a figure which says so.
"""
