"""Pure rules and types: stages, lifetimes, claims, estimates, errors. No I/O, clock, SQL or HTTP lives here."""
