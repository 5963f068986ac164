"""From a sweep to its report: plan, estimate, run, compare, analyze."""
