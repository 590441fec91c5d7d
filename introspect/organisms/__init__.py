"""Model organisms: subjects whose answer is known, from their behaviour to their weights."""
