"""Words: tokens, vocabularies and their vectors, encoded queries."""
