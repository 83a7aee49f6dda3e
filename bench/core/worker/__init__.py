"""The process in which an implementation runs, and the driver's end of it."""
