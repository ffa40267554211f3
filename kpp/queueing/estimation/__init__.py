"""From a table to all that it tells about an application: demands, capacity, visits, think time."""
