"""From the command line to a checked config. Loads no torch. Begin with compose.py."""
