"""Makes and measures the weights that ship. No part of the product imports this; see README.md beside it."""
