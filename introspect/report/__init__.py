"""One self-contained page a run: the question, the answer in words, the numbers, the figures, every transcript.

``page.write_report`` writes it from a ``ReportContent``. The page loads nothing from anywhere, so that it can be
opened from a disk in ten years; and it shows replies as text only, since a reply can hold anything.
"""
