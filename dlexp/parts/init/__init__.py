"""Initial values of a model's parameters. layers.py fills the layers; each other module is one distribution."""
