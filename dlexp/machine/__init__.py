"""The device, its memory and its number formats."""
