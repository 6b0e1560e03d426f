"""The shop's activities: mutations, each with what takes it back."""
