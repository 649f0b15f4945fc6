"""Messages to a CMS: their order, claims of deliverers, attempts, outcomes, circuits of endpoints."""
