"""From what a dataset part reads to batches."""
