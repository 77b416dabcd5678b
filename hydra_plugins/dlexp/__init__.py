"""What Hydra finds of dlexp at its start."""
