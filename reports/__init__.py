"""Tells people and machines what the checks saw. Generated files go to `reports/out/`."""
