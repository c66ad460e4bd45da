"""What is asked for: titles, recipes, run identity, and the error tree. Depends on nothing else in the package."""
