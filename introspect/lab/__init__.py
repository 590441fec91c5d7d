"""The live laboratory: one subject behind a page of this machine's own, asked with and without a vector."""
