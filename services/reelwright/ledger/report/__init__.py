"""The report: one HTML file that opens offline and lets anyone compare the film with its source."""
