"""What files outside the code say: pages, units, charts, versions."""
