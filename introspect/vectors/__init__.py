"""Concept vectors: what they are, how they are computed from activations, and the controls matched to them."""
