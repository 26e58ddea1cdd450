"""Methods over data sets and seeds: runs, their cost, and the table that compares them."""
