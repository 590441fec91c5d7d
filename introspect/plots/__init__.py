"""Figures: one function a figure, tidy frame in, plotly figure out.

``heatmap``, ``dose_response``, ``per_concept`` and ``arms`` each live in the module of their name; ``write`` puts
figures on disk with their provenance. No function here reads a run or fits anything: rates and intervals arrive
computed. A frame that lacks an arm gives a figure which says so.
"""
