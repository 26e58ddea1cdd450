"""Encoders: from clip features and word vectors to the hidden size."""
