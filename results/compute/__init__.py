"""From stored rows to numbers, none of them formatted."""
