"""What makes the site of fhenn beyond Sphinx: the reference, docstrings, signatures, commands, formulas as MathML."""
