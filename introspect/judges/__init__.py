"""Models that judge replies: who they are, how they are asked, what they cost, and what they said."""
