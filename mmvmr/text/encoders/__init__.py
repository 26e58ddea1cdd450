"""Text encoders: from sentences to words, word features and sentence vectors."""
