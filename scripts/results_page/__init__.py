"""The page of results: its sentences, and how it is laid out."""
