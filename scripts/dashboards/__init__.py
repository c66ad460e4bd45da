"""The Grafana dashboards of the chart: a module for each, whose rows of panels are a table."""
