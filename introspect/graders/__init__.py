"""Graders read what a reply claims; none of them sees the concept, the layer, the strength or the arm."""
