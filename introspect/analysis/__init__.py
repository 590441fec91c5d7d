"""Where claims meet the truth: identification, rates and verdicts, without torch."""
