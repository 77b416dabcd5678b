"""The eighteen questions of document 000's homework sheet, answered from runs: outputs/reference/questions.md."""
