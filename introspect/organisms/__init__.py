"""Known-answer model organisms: subjects built so that the right verdict is known in advance. None is shipped yet."""
