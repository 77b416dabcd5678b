"""The device, its memory, its number formats, and settings of the process. Begin with `device.py`."""
