"""What probing costs and how often it errs, against the two ways that others take, side by side in one run."""
