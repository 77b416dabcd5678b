"""Write the report of a study: tables, figures and text. Begin with write.py; page.py decides what the page holds."""
