"""Random changes of training batches, computed on the device."""
