"""Measurements of the budgets, side by side in one run."""
