"""Commands on what lies in a storage: archives of sweeps, and waste."""
