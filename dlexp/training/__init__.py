"""One model trained a batch at a time."""
