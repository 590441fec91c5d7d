"""Studies: a choice on one half of the concepts, everything else on the other, and the verdicts."""
