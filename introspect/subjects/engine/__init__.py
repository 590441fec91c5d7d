"""The batched engine on the plain Hugging Face module."""
