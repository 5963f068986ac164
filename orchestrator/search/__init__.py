"""Optuna studies that Ray Tune trains."""
