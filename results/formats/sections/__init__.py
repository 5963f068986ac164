"""The parts of a report, as text cells and sentences that every format lays out."""
