"""Answer the eighteen questions of document 000's homework sheet from runs.

Begin with page.py, which ../questions.py calls.
"""
