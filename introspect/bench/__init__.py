"""How fast and how exact the engine is, against what public code does, in one process."""
