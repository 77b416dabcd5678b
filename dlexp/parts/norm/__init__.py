"""Normalisations behind one signature, for features and images."""
