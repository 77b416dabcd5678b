"""The page of one run, report.html in its folder. Begin with page.py; content.py reads the folder."""
