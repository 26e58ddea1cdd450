"""A model behind a small HTTP service, with the page as its face."""
