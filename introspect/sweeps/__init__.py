"""Sweeps: a plan becomes cells, cells become trials on disk; resumable, with progress."""
