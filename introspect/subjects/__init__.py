"""Subjects: models that can be read, injected into and asked."""
