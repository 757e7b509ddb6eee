"""The report: one HTML page with the table, the figures, the settings and the provenance of all records."""
