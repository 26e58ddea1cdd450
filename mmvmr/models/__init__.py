"""The retriever and its parts, one folder or file per kind of part."""
