select clock_timestamp(), (select min(due_at) from shipments where due_at > now())
