"""Why a run did not happen, was late or failed."""
