"""From a failed check to its cause: chooses the hint, never the verdict."""
