"""The dashboard: pages for people, rendered here, on the same control functions as the HTTP API."""
