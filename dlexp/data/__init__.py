"""From a source to batches: prepare.py makes the data of a run, batches.py its batches. Begin with these two.

split.py and scale.py serve prepare.py, worker_loader.py serves batches.py; download.py, archive.py and cache.py serve datasets
that read files; fingerprint.py hashes the user's files, and opened_files.py finds which are read.
"""
