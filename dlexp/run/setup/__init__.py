"""From a planned run to the objects that are trained.

Begin with facts.py (device, data, sizes and their checks) and build.py. factories.py turns the config's targets into objects.
"""
