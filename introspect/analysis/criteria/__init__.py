"""The four criteria: what is compared for each, and what the comparison says."""
