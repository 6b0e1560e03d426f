"""Taking a finished run back, from its history."""
