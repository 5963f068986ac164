"""Every private thing of Ray that we use, and nothing else.

tests/orchestrator/execution/test_ray_compat.py fails when a release of Ray renames one of them.
"""
