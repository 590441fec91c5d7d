"""The command line: thin verbs over files."""
