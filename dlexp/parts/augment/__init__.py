"""Random changes of images, as batched operations on the device."""
