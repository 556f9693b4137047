"""Tables and pictures; never torch."""
