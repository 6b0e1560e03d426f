"""When a job fires: expressions, clocks and calendars."""
