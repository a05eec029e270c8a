"""Exit codes, as published."""

EXIT_CODES = {"pass": 0, "fail": 1, "invalid": 3, "unfinished": 3}
"""By the verdict of a run, a check or a study."""

EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130
