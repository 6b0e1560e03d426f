"""Steps that know their way back, and what takes them back when a later one fails."""
